import type { Pace } from './pacer.ts';

/** Stops a lane's reading for as long as what it has read is not paid for. */
export class ReadGate {
  readonly #pace: Pace | undefined;
  readonly #pause: () => void;
  readonly #resume: () => void;
  #held = false;
  /** Came although the reading was stopped, bytes. */
  #owed = 0;

  constructor(pace: Pace | undefined, pause: () => void, resume: () => void) {
    this.#pace = pace;
    this.#pause = pause;
    this.#resume = resume;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** So many bytes were read. */
  read(bytes: number): void {
    if (this.#held) {
      this.#owed += bytes;
    } else if (
      this.#pace?.spend(bytes, () => {
        this.#paid();
      }) === false
    ) {
      this.#held = true;
      this.#pause();
    }
  }

  close(): void {
    this.#pace?.close();
  }

  #paid(): void {
    const owed = this.#owed;
    this.#held = false;
    this.#owed = 0;
    if (owed > 0) this.read(owed);
    if (!this.#isHeld()) this.#resume();
  }

  /** A method, so that the compiler does not hold on to what it knew before a call. */
  #isHeld(): boolean {
    return this.#held;
  }
}
