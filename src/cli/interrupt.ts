import { LayerswarmError } from '../errors.ts';

/** A signal that ends with the first SIGINT or SIGTERM; a second one ends the process as usual. */
export function onInterrupt(): AbortSignal & { readonly aborted: boolean } {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new LayerswarmError('aborted', `interrupted by ${name}`)));
  }
  return controller.signal;
}
