import { LayerswarmError } from '../errors.ts';
import { Reference } from '../oci/reference.ts';

export interface ImageNameOptions {
  /** The registry part of the origin's images; undefined while no origin is known. */
  readonly registryName: () => string | undefined;
  /** Other registries that the origin stands for, lower case. */
  readonly mirrors: readonly string[];
  /** `host:port` of this node's own endpoint, which people copy from what they gave dockerd. */
  readonly endpoint: () => string;
}

/** An image as the origin knows it. */
export interface ImageName {
  /** With the origin's registry, and a tag or digest. */
  readonly reference: Reference;
  /** At the origin, as in `/v2/<name>/`. */
  readonly name: string;
  /** `registry/name`, as the image store has it. */
  readonly full: string;
}

/**
 * Reads what a person typed: a bare name is the origin's, and one with a registry must be of the origin or of a registry that it
 * stands for. @throws `reference-invalid`, `origin-unknown`
 */
export function parseImageName(text: string, options: ImageNameOptions): ImageName {
  const registry = options.registryName();
  const typed = Reference.parse(text, { defaultRegistry: registry ?? 'origin.invalid' }).withDefaultTag();
  if (registry === undefined) {
    throw new LayerswarmError('origin-unknown', 'this node does not know its origin yet: give it one with --origin, or wait until it has met a member that knows it');
  }
  if (typed.registry !== registry && typed.registry !== options.endpoint() && !options.mirrors.includes(typed.registry)) {
    throw new LayerswarmError('reference-invalid', `expected an image of ${[registry, ...options.mirrors].join(' or ')}, received ${typed.toString()}: name it as the origin does, or add ${typed.registry} to mirrors`);
  }
  const reference = Reference.of({ registry, repository: typed.repository, tag: typed.tag, digest: typed.digest });
  return { reference, name: reference.repository, full: reference.name };
}
