import type { MessageHandler } from '../network/handlers.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { MessageOf, MessageType } from '../protocol/message.ts';
import type { Run } from './core/bitfield.ts';
import type { PeerWork } from './peer-work.ts';

/** What this node does for a message, in ms of computing: measured on a small machine, and rounded up. */
export const WORK = {
  message: 0.02,
  /** A blob is looked for in the store, which is on another thread. */
  lookUp: 0.1,
  /** Each of 1,000 pieces is looked at a few times. */
  thousandPieces: 0.05,
  signature: 0.3,
  /** Read and hashed. */
  mebibyte: 1.5,
} as const;

/** Handles what members say about blobs, and counts the work that it makes against whoever says it. */
export class CountedHandlers {
  readonly #network: Pick<BlobNetwork, 'handle'>;
  readonly #work: PeerWork;
  readonly #clock: () => number;
  readonly #queues = new Map<string, WaitingMessages>();

  /** @param clock in ms, and finer than those */
  constructor(network: Pick<BlobNetwork, 'handle'>, work: PeerWork, clock: () => number = () => performance.now()) {
    this.#network = network;
    this.#work = work;
    this.#clock = clock;
  }

  /** `cost`: in ms, as `WORK` has it. A peer over its share waits, and what it said later waits behind that. */
  readonly handle = <T extends MessageType>(type: T, cost: (message: MessageOf<T>) => number, handler: MessageHandler<T>): void => {
    this.#network.handle(type, (message, from) => {
      const { peerId } = from;
      const estimate = cost(message);
      const waitMs = this.#work.take(peerId, estimate);
      const run = (): ReturnType<MessageHandler<T>> => this.#measured(peerId, estimate, () => handler(message, from));
      const queue = this.#queues.get(peerId);
      if (queue !== undefined) return queue.add(waitMs, run);
      if (waitMs === 0 && this.#work.slowedFor(peerId) === 0) return run();
      return this.#makeQueue(peerId).add(waitMs, run);
    });
  };

  #measured<R>(peerId: string, estimate: number, run: () => R): R {
    const begun = this.#clock();
    try {
      return run();
    } finally {
      const more = this.#clock() - begun - estimate;
      if (more > 0) this.#work.took(peerId, more);
    }
  }

  #makeQueue(peerId: string): WaitingMessages {
    const queue = new WaitingMessages(
      () => this.#work.slowedFor(peerId),
      () => this.#queues.delete(peerId),
    );
    this.#queues.set(peerId, queue);
    return queue;
  }
}

/** What one peer said and is not handled yet, in its order. */
class WaitingMessages {
  readonly #slowedFor: () => number;
  readonly #emptied: () => void;
  readonly #waiting: { readonly due: number; readonly run: () => void }[] = [];

  constructor(slowedFor: () => number, emptied: () => void) {
    this.#slowedFor = slowedFor;
    this.#emptied = emptied;
  }

  /** Runs it after `waitMs` at the earliest, and after all that was added before. */
  async add<R>(waitMs: number, run: () => R | Promise<R>): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    this.#waiting.push({
      due: performance.now() + waitMs,
      run: () => {
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      },
    });
    if (this.#waiting.length === 1) this.#next();
    return await promise;
  }

  #next(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#emptied();
      return;
    }
    const waitMs = Math.max(0, next.due - performance.now(), this.#slowedFor());
    setTimeout(() => {
      while (this.#waiting.length > 0 && this.#waiting[0]!.due <= performance.now() && this.#slowedFor() === 0)
        this.#waiting.shift()!.run();
      this.#next();
    }, waitMs);
  }
}

export function pieceWork(pieces: number): number {
  return (pieces / 1000) * WORK.thousandPieces;
}

export function runWork(runs: readonly Run[]): number {
  return pieceWork(runs.reduce((sum, [, count]) => sum + count, runs.length));
}
