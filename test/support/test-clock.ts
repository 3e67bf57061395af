import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/origin/clock.ts';

/** A clock whose time passes only in `sleep`, at once, and by `advance`. Chance is always one half. */
export class TestClock implements Clock {
  /** Every pause asked for, in ms. */
  readonly slept: number[] = [];
  #now = 1_000_000;

  now(): number {
    return this.#now;
  }

  date(): number {
    return Date.UTC(2030, 0, 1) + this.#now;
  }

  random(): number {
    return 0.5;
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.slept.push(milliseconds);
    this.advance(milliseconds);
    await turn();
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
