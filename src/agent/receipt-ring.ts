import type { Receipt, ReceiptBlob } from '../status/status-document.ts';

const CAPACITY = 100;

/** The last receipts, in memory: what `/api/v1/receipts` and `layerswarm why` show. */
export class ReceiptRing {
  readonly #receipts: Receipt[] = [];

  add(receipt: Receipt): void {
    this.#receipts.unshift(receipt);
    if (this.#receipts.length > CAPACITY) this.#receipts.pop();
  }

  /** Newest first. */
  list(): readonly Receipt[] {
    return this.#receipts;
  }
}

/** The figures of a receipt, from its blobs. */
export function sumUp(blobs: readonly ReceiptBlob[]): Pick<Receipt, 'bytes' | 'fromStoreBytes' | 'fromOriginBytes' | 'fromPeersBytes' | 'peers' | 'stalls' | 'retries'> {
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
  };
}
