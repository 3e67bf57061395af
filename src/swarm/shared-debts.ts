import { createHash } from 'node:crypto';

/** Many more than are in debt at a time. */
const PLACES = 4096;
/** A name is at one of so many places in a row. */
const PROBES = 16;

/** What one name owes. Times are microseconds of a clock that the threads share. */
export interface SharedDebt {
  /** How long from `now` until it owes nothing. */
  left(now: number): number;
  /** Owes so much more; returns how long until it owes nothing. */
  add(cost: number, now: number): number;
  forgive(): void;
}

/**
 * What names owe, as the time at which they will owe nothing: in memory that all threads which are given it share. Who owes nothing needs no
 * place, and leaves it to the next. Two names that take one place at the same moment count against each other until that is over.
 */
export class SharedDebts {
  readonly memory: SharedArrayBuffer;
  readonly #until: BigInt64Array;
  readonly #names: BigInt64Array;

  constructor(memory = new SharedArrayBuffer(PLACES * 16)) {
    this.memory = memory;
    this.#until = new BigInt64Array(memory, 0, PLACES);
    this.#names = new BigInt64Array(memory, PLACES * 8);
  }

  of(name: string): SharedDebt {
    const key = createHash('sha256').update(name).digest().readBigInt64LE();
    const first = Number(BigInt.asUintN(12, key));
    return {
      left: (now) => {
        const place = this.#find(key, first);
        return place === undefined ? 0 : Math.max(0, Number(Atomics.load(this.#until, place)) - now);
      },
      add: (cost, now) => {
        const place = this.#find(key, first) ?? this.#take(key, first, now);
        for (;;) {
          const until = Atomics.load(this.#until, place);
          const next = BigInt(Math.ceil(Math.max(Number(until), now) + cost));
          if (Atomics.compareExchange(this.#until, place, until, next) === until) return Number(next) - now;
        }
      },
      forgive: () => {
        const place = this.#find(key, first);
        if (place !== undefined) Atomics.store(this.#until, place, 0n);
      },
    };
  }

  #find(key: bigint, first: number): number | undefined {
    for (let probe = 0; probe < PROBES; probe++) {
      const place = (first + probe) % PLACES;
      if (Atomics.load(this.#names, place) === key) return place;
    }
    return undefined;
  }

  #take(key: bigint, first: number, now: number): number {
    for (let probe = 0; probe < PROBES; probe++) {
      const place = (first + probe) % PLACES;
      if (Number(Atomics.load(this.#until, place)) > now) continue;
      const name = Atomics.load(this.#names, place);
      const found = Atomics.compareExchange(this.#names, place, name, key);
      if (found === name || found === key) return place;
    }
    // All of them owe something: this one shares.
    return first;
  }
}
