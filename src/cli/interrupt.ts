import { LayerswarmError } from '../errors.ts';

let interrupted = false;

/** Whether this process was asked to end early. */
export function wasInterrupted(): boolean {
  return interrupted;
}

/** A signal that ends with the first SIGINT or SIGTERM; a second one ends the process as usual. */
export function onInterrupt(): AbortSignal & { readonly aborted: boolean } {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      interrupted = true;
      controller.abort(new LayerswarmError('aborted', `interrupted by ${name}`));
    });
  }
  return controller.signal;
}
