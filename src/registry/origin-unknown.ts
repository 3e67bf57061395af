import { LayerswarmError } from '../errors.ts';

export function originUnknown(): LayerswarmError {
  return new LayerswarmError(
    'origin-unknown',
    'this node does not know its origin yet: configure one, or wait until it has met a member that knows it',
  );
}
