import type { Receipt } from './receipt-document.ts';
import type { NodeHealth, StatusDocument } from './status-document.ts';

/** What the status endpoint shows of a node. Answers from memory: it is asked every second while somebody watches. */
export interface StatusSource {
  status(): StatusDocument;
  /** Resolves once all that `status` says of images has been read from disk. Never throws. */
  settled(): Promise<void>;
  /** Newest first. */
  receipts(): readonly Receipt[];
  health(): NodeHealth;
}
