import { LayerswarmError } from '../../errors.ts';
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

  /** The peer is gone: nothing that it said is of use any more. */
  forget(peerId: string): void {
    this.#queues.get(peerId)?.drop(new LayerswarmError('peer-gone', `peer ${peerId} is gone`));
  }

  close(): void {
    for (const peerId of this.#queues.keys()) this.forget(peerId);
  }

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

/** What one peer said and is not handled yet, in its order. Over as soon as it is empty. */
class WaitingMessages {
  readonly #slowedFor: () => number;
  readonly #emptied: () => void;
  readonly #waiting: { readonly due: number; readonly run: () => void; readonly fail: (error: LayerswarmError) => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `slowedFor`: milliseconds for which none of them is to run. */
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
      fail: reject,
    });
    if (this.#waiting.length === 1) this.#runLater();
    return await promise;
  }

  drop(error: LayerswarmError): void {
    clearTimeout(this.#timer);
    for (const { fail } of this.#waiting.splice(0)) fail(error);
    this.#emptied();
  }

  #runLater(): void {
    const waitMs = Math.max(0, this.#waiting[0]!.due - performance.now(), this.#slowedFor());
    this.#timer = setTimeout(() => {
      // Each stays the first until it has run, so that what comes meanwhile starts no other timer.
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        if (next.due > performance.now() || this.#slowedFor() > 0) {
          this.#runLater();
          return;
        }
        next.run();
        this.#waiting.shift();
      }
      this.#emptied();
    }, waitMs);
  }
}

export function pieceWork(pieces: number): number {
  return (pieces / 1000) * WORK.thousandPieces;
}

export function runWork(runs: readonly Run[]): number {
  return pieceWork(runs.reduce((sum, [, count]) => sum + count, runs.length));
}
