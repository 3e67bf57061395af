import { setTimeout as delay } from 'node:timers/promises';
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

  constructor(network: Pick<BlobNetwork, 'handle'>, work: PeerWork) {
    this.#network = network;
    this.#work = work;
  }

  /** `cost`: in ms, as `WORK` has it. A peer over its share waits, and what it said later waits behind that. */
  readonly handle = <T extends MessageType>(type: T, cost: (message: MessageOf<T>) => number, handler: MessageHandler<T>): void => {
    this.#network.handle(type, (message, from) => {
      const waitMs = this.#work.take(from.peerId, cost(message));
      return waitMs === 0 ? handler(message, from) : delay(waitMs).then(() => handler(message, from));
    });
  };
}

export function pieceWork(pieces: number): number {
  return (pieces / 1000) * WORK.thousandPieces;
}

export function runWork(runs: readonly Run[]): number {
  return pieceWork(runs.reduce((sum, [, count]) => sum + count, runs.length));
}
