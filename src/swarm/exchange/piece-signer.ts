import { setTimeout as delay } from 'node:timers/promises';
import type { BlobNetwork } from '../network/network.ts';
import type { Read } from './core/read-plan.ts';
import { MAX_SIGNED, signStatements, type Statement } from './statement.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** Pieces that are read within so little time are signed together, though the first after a pause at once. */
const GATHER_MS = 15;

export interface ReadPiece {
  readonly piece: number;
  readonly sha256: Buffer;
  /** The lease that it was read under. */
  readonly read: Read;
}

/** Signs what this node read from the origin, several pieces with one signature. */
export class PieceSigner {
  readonly #network: BlobNetwork;
  readonly #blob: Pick<UnfinishedBlob, 'digest' | 'layout' | 'over'>;
  readonly #signed: (piece: ReadPiece, statement: Statement) => void;
  readonly #unsigned = new Set<number>();
  /** Those of them that the next signature is for. */
  #next: ReadPiece[] = [];
  #signing: Promise<void> | undefined;
  #signedAt = Number.NEGATIVE_INFINITY;

  /** @param signed told of each piece; of none once the blob is over */
  constructor(
    network: BlobNetwork,
    blob: Pick<UnfinishedBlob, 'digest' | 'layout' | 'over'>,
    signed: (piece: ReadPiece, statement: Statement) => void,
  ) {
    this.#network = network;
    this.#blob = blob;
    this.#signed = signed;
  }

  /** Read, and not signed yet: such a piece must not change below its hash. */
  get unsigned(): ReadonlySet<number> {
    return this.#unsigned;
  }

  /** Resolves when the piece is signed; one promise for all that are signed together. */
  add(piece: ReadPiece): Promise<void> {
    this.#unsigned.add(piece.piece);
    this.#next.push(piece);
    return (this.#signing ??= this.#signSoon());
  }

  /** Forgets what is not signed yet. */
  clear(): void {
    this.#unsigned.clear();
  }

  async #signSoon(): Promise<void> {
    await delay(Math.max(0, this.#signedAt + GATHER_MS - performance.now()));
    const { digest, layout, over } = this.#blob;
    const pieces = this.#next;
    this.#next = [];
    this.#signing = undefined;
    this.#signedAt = performance.now();
    for (let i = 0; i < pieces.length; i += MAX_SIGNED) {
      const together = pieces.slice(i, i + MAX_SIGNED);
      const statements = await signStatements(
        this.#network,
        digest,
        together.map(({ piece, sha256 }) => {
          const { start, end } = layout.range(piece);
          return { start, length: end - start, sha256 };
        }),
      );
      if (over.aborted) return;
      for (const [j, piece] of together.entries()) {
        this.#unsigned.delete(piece.piece);
        this.#signed(piece, statements[j]!);
      }
    }
  }
}
