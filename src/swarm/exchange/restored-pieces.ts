import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Download } from './core/download.ts';
import type { Provenance } from './provenance.ts';
import { makeStatement } from './statement.ts';

/** Pieces of an earlier run: here, and passed on only where this node itself read them from the origin, once it has signed that. */
export class RestoredPieces {
  readonly #network: BlobNetwork;
  readonly #digest: Digest;
  readonly #partial: PartialBlob;
  readonly #download: Download;
  readonly #provenance: Provenance;
  readonly #signal: AbortSignal;
  readonly #pieces = new Set<number>();

  /** @param signal the unfinished blob is about to be closed */
  constructor(network: BlobNetwork, digest: Digest, partial: PartialBlob, download: Download, provenance: Provenance, signal: AbortSignal) {
    this.#network = network;
    this.#digest = digest;
    this.#partial = partial;
    this.#download = download;
    this.#provenance = provenance;
    this.#signal = signal;
  }

  /** Tells the download of all that is there. @param now ms, monotonic */
  restore(now: number): void {
    for (let piece = 0; piece < this.#partial.pieceCount; piece++) {
      const grade = this.#partial.grade(piece);
      if (grade === Grade.missing) continue;
      this.#provenance.set(piece, undefined, undefined);
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
    const { start, end } = this.#download.layout.range(piece);
    const before = this.#provenance.get(piece);
    try {
      const statement = await makeStatement(this.#network, this.#digest, start, await this.#partial.read(start, end - start));
      // Found wrong, or replaced meanwhile.
      if (this.#signal.aborted || this.#provenance.get(piece) !== before) return;
      this.#provenance.set(piece, undefined, statement);
      this.#download.makeServable(piece);
    } catch {
      // It cannot be read, or was closed meanwhile: others have it from elsewhere.
    }
  }
}
