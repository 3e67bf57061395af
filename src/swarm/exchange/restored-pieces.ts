import { Grade } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Download } from './core/download.ts';
import { makeStatement } from './statement.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** Pieces of an earlier run: here, and passed on only where this node itself read them from the origin, once it has signed that. */
export class RestoredPieces {
  readonly #network: BlobNetwork;
  readonly #blob: UnfinishedBlob;
  readonly #download: Download;
  readonly #pieces = new Set<number>();

  constructor(network: BlobNetwork, blob: UnfinishedBlob, download: Download) {
    this.#network = network;
    this.#blob = blob;
    this.#download = download;
  }

  /** Tells the download of all that is there. @param now ms, monotonic */
  restore(now: number): void {
    for (let piece = 0; piece < this.#blob.layout.pieceCount; piece++) {
      const grade = this.#blob.grade(piece);
      if (grade === Grade.missing) continue;
      this.#blob.provenance.set(piece, undefined, undefined);
      this.#pieces.add(piece);
      this.#download.arrived(piece, {}, false, now);
      if (grade >= Grade.origin) void this.#signAgain(piece);
    }
  }

  /** It is of an earlier run, and was not thrown away since. */
  has(piece: number): boolean {
    return this.#pieces.has(piece);
  }

  thrownAway(pieces: Iterable<number>): void {
    for (const piece of pieces) this.#pieces.delete(piece);
  }

  async #signAgain(piece: number): Promise<void> {
    const { digest, layout, over, provenance } = this.#blob;
    const before = provenance.get(piece);
    try {
      const statement = await makeStatement(this.#network, digest, layout.range(piece).start, await this.#blob.read(piece));
      // Found wrong, or replaced meanwhile.
      if (over.aborted || provenance.get(piece) !== before) return;
      provenance.set(piece, undefined, statement);
      this.#download.makeServable(piece);
    } catch {
      // It cannot be read, or was closed meanwhile: others have it from elsewhere.
    }
  }
}
