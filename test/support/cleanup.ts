/**
 * Where support code leaves what has to be undone; a test's `t` is one. Undone last in, first out, also after a failure.
 */
export interface Cleanup {
  teardown(undo: () => void | Promise<void>): void;
}

type Undo = () => void | Promise<void>;

/** A `Cleanup` for programs that are not tests: call `undo` when done. What comes after that call is undone at once. */
export class CleanupStack implements Cleanup {
  readonly #undos: Undo[] = [];
  readonly #late = new Set<Promise<void>>();
  #failures: unknown[] = [];
  #isOver = false;

  /** `undo` was called: what is started now is in vain. */
  get isOver(): boolean {
    return this.#isOver;
  }

  teardown(undo: Undo): void {
    if (!this.#isOver) {
      this.#undos.push(undo);
      return;
    }
    const undone = this.#try(undo).finally(() => this.#late.delete(undone));
    this.#late.add(undone);
  }

  /** Also of what is started meanwhile. @throws AggregateError when some could not be undone; all are tried. */
  async undo(): Promise<void> {
    this.#isOver = true;
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) await this.#try(undo);
    while (this.#late.size > 0) await Promise.all(this.#late);
    const failures = this.#failures;
    this.#failures = [];
    if (failures.length > 0) throw new AggregateError(failures, 'some of what was started could not be undone');
  }

  async #try(undo: Undo): Promise<void> {
    try {
      await undo();
    } catch (error) {
      this.#failures.push(error);
    }
  }
}
