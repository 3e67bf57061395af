import type { Receipt } from '../status/status-document.ts';

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
