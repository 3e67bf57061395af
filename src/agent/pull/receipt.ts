import { randomBytes } from 'node:crypto';
import type { Receipt, ReceiptBlob } from '../../status/receipt-document.ts';
import { verdict } from './verdict.ts';

/** Names a pull in receipts, logs and the answers of the registry endpoint. */
export function pullId(): string {
  return randomBytes(6).toString('hex');
}

/** A receipt from its blobs, and what is known of the pull beside them. */
export function makeReceipt(facts: Omit<Receipt, keyof Sums | 'verdict'>): Receipt {
  const sums = sumUp(facts.blobs);
  const receipt = { ...facts, ...sums, bytes: sums.bytes };
  return { ...receipt, verdict: verdict(receipt) };
}

type Sums = Pick<
  Receipt,
  'bytes' | 'fromStoreBytes' | 'fromOriginBytes' | 'fromPeersBytes' | 'peers' | 'stalls' | 'retries' | 'waitedSeconds' | 'verifySeconds'
>;

/** The figures of a receipt, from its blobs. */
function sumUp(blobs: readonly ReceiptBlob[]): Sums {
  const sum = (value: (blob: ReceiptBlob) => number): number => blobs.reduce((total, blob) => total + value(blob), 0);
  const peers: Record<string, number> = {};
  for (const [peerId, bytes] of blobs.flatMap((blob) => Object.entries(blob.peers))) peers[peerId] = (peers[peerId] ?? 0) + bytes;
  return {
    bytes: sum(({ bytes }) => bytes),
    fromStoreBytes: sum(({ source, bytes }) => (source === 'store' ? bytes : 0)),
    fromOriginBytes: sum(({ fromOriginBytes }) => fromOriginBytes),
    fromPeersBytes: sum(({ fromPeersBytes }) => fromPeersBytes),
    peers,
    stalls: sum(({ stalls }) => stalls),
    retries: sum(({ retries }) => retries),
    // blobs come side by side: the one that took longest is what a pull waits for
    waitedSeconds: Math.max(0, ...blobs.map(({ waitedSeconds }) => waitedSeconds)),
    verifySeconds: Math.max(0, ...blobs.map(({ verifySeconds }) => verifySeconds)),
  };
}

/** How long a blob was in which state, as it is looked at now and then. */
export class StateClock {
  readonly #seconds = new Map<string, number>();
  #state: string | undefined;
  #at = 0;

  /** `now` in ms. */
  look(state: string, now: number): void {
    if (this.#state !== undefined) this.#seconds.set(this.#state, this.seconds(this.#state) + (now - this.#at) / 1000);
    this.#state = state;
    this.#at = now;
  }

  seconds(state: string): number {
    return this.#seconds.get(state) ?? 0;
  }
}
