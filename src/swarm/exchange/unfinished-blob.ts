import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { Say } from '../swarm.ts';
import type { PieceLayout } from './core/piece-layout.ts';
import type { OriginAccess } from './origin-access.ts';
import { Provenance } from './provenance.ts';
import { sha256 } from './statement.ts';
import type { TransferMeter } from './transfer-meter.ts';

/** Of a blob that is fetched: what it is, where it may be read, and whom its progress is told. */
export interface WantedBlob {
  readonly digest: Digest;
  readonly repository: string;
  readonly origin: OriginAccess;
  readonly meter: TransferMeter;
  /** With the pull and the blob in each line. */
  readonly say: Say | undefined;
}

/** A blob whose bytes come in and are not proven yet: its pieces on the disk, and who brought each. */
export class UnfinishedBlob {
  readonly digest: Digest;
  readonly repository: string;
  readonly origin: OriginAccess;
  readonly meter: TransferMeter;
  readonly say: Say | undefined;
  readonly layout: PieceLayout;
  readonly partial: PartialBlob;
  readonly provenance = new Provenance();
  readonly #over = new AbortController();

  constructor({ digest, repository, origin, meter, say }: WantedBlob, partial: PartialBlob, layout: PieceLayout) {
    this.digest = digest;
    this.repository = repository;
    this.origin = origin;
    this.meter = meter;
    this.say = say;
    this.partial = partial;
    this.layout = layout;
  }

  /** Aborted when `partial` is about to be closed: whatever is under way ends, and touches it no more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Before `partial` is committed or closed. */
  end(): void {
    this.#over.abort();
  }

  grade(piece: number): Grade {
    return this.partial.grade(piece);
  }

  /** False also when it is over. */
  isVouched(piece: number): boolean {
    return !this.over.aborted && this.grade(piece) >= Grade.vouched;
  }

  async read(piece: number): Promise<Buffer> {
    const { start, end } = this.layout.range(piece);
    return await this.partial.read(start, end - start);
  }

  /** SHA-256 of the piece's bytes as they are on the disk. */
  async hash(piece: number): Promise<Buffer> {
    return sha256(await this.read(piece));
  }

  /** Throws pieces away, with what is known of who brought them: bytes that change must not go out with the statement of those before. */
  async discard(pieces: readonly number[]): Promise<void> {
    for (const piece of pieces) this.provenance.delete(piece);
    await this.partial.discard(pieces);
  }
}
