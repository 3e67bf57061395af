import type { Digest } from '../../oci/digest.ts';
import type { OwnedPartial, PartialOwner } from '../../store/partial/partial-owner.ts';

export interface LentPartialParts {
  readonly digest: Digest;
  readonly size: number;
  readonly path: string;
  readonly owner: PartialOwner;
  /** As the thread that has the file last said; undefined before it said anything. */
  haveBytes(): number | undefined;
  /** Tells that thread. */
  removed(): void;
  close(): Promise<void>;
}

/** An unfinished blob whose file another thread has, as the store keeps it in its books. */
export class LentPartial implements OwnedPartial {
  readonly digest: Digest;
  readonly size: number;
  readonly path: string;
  checkpointLength = 0;
  prefixDigests: readonly Buffer[] = [];
  removed = false;
  committed = false;
  closing = false;
  readonly #parts: LentPartialParts;
  #atEnd: number | undefined;
  #ended = false;

  constructor(parts: LentPartialParts) {
    this.digest = parts.digest;
    this.size = parts.size;
    this.path = parts.path;
    this.#parts = parts;
  }

  haveBytes(): number {
    return this.#atEnd ?? this.#parts.haveBytes() ?? this.#parts.owner.haveBytes;
  }

  markRemoved(): void {
    this.removed = true;
    this.#parts.removed();
  }

  async close(): Promise<void> {
    this.closing = true;
    if (!this.#ended) await this.#parts.close();
  }

  /** The closed file is proven and synced. */
  async publish(checkpointLength: number, prefixDigests: readonly Buffer[]): Promise<void> {
    this.closing = true;
    this.checkpointLength = checkpointLength;
    this.prefixDigests = prefixDigests;
    await this.#parts.owner.publish(this);
  }

  /** The file is closed: nobody has it any more. */
  async ended(haveBytes: number | undefined, committed: boolean): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#atEnd = haveBytes ?? this.haveBytes();
    this.committed = committed;
    await this.#parts.owner.closed(this);
  }
}
