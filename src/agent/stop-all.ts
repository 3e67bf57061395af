import type { Logger } from '../log.ts';
import { isStoreRefusal, storeError } from '../store/store-error.ts';

/** A disk that takes nothing keeps nothing from being stopped. @throws what else could not be stopped */
export async function stopAll(parts: AsyncDisposableStack, log: Logger): Promise<void> {
  try {
    await parts.disposeAsync();
  } catch (error) {
    const failures = causesOf(error).map((cause) => storeError(cause, 'keep what is for the next start'));
    for (const failure of failures) if (!isStoreRefusal(failure)) throw error;
    log.for('store').warn(`not everything could be kept for the next start: ${failures[0]!.message}`);
  }
}

function causesOf(error: unknown): unknown[] {
  if (error instanceof SuppressedError) return [...causesOf(error.suppressed), ...causesOf(error.error)];
  return error instanceof AggregateError ? error.errors.flatMap(causesOf) : [error];
}
