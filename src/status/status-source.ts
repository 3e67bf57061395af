import type { Health, Receipt, StatusDocument } from './status-document.ts';

/** What the status endpoint shows of a node. Answers from memory: it is asked every second while somebody watches. */
export interface StatusSource {
  status(): StatusDocument;
  /** Resolves once all that `status` says of images has been read from disk. Never throws. */
  settled(): Promise<void>;
  /** Newest first. */
  receipts(): readonly Receipt[];
  /** Whether the process works at all: what a supervisor restarts it for. */
  liveness(): Health;
  /** Whether pulls can be served: what a load balancer looks at. */
  readiness(): Health;
}
