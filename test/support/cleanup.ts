/**
 * Where support code leaves what has to be undone; a test's `t` is one. Undone last in, first out, also after a failure.
 */
export interface Cleanup {
  teardown(undo: () => void | Promise<void>): void;
}

/** A `Cleanup` for programs that are not tests: call `undo` when done. */
export class CleanupStack implements Cleanup {
  #undos: (() => void | Promise<void>)[] = [];

  teardown(undo: () => void | Promise<void>): void {
    this.#undos.push(undo);
  }

  /** @throws AggregateError when some could not be undone; all are tried. */
  async undo(): Promise<void> {
    const failures: unknown[] = [];
    for (const undo of this.#undos.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some of what was started could not be undone');
  }
}
