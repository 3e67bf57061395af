import { Grade } from '../../store/blob-store.ts';
import type { Lane } from '../lane/lane.ts';
import type { Run } from './core/bitfield.ts';
import type { ArrivedBy, Download } from './core/download.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import type { PieceWriter } from './piece-writer.ts';
import { parseNote, type Statement } from './statement.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

export interface ReceiveOptions {
  /** What was asked, for the download. */
  readonly by: ArrivedBy;
  /** The bytes are compared with what their sender says of them. */
  readonly hashed: boolean;
  readonly signal: AbortSignal;
  /** So many bytes came. */
  readonly heard?: (bytes: number) => void;
}

/** Pieces that a member has sent. */
export interface Received {
  /** What it said of them along with them, which goes on after they are here. */
  readonly checked: Promise<unknown>;
}

export interface LaneReceiverParts {
  readonly download: Download;
  readonly verifier: PieceVerifier;
  readonly writer: PieceWriter;
  readonly now: () => number;
  /** A piece is whole. */
  readonly completed: (piece: number, grade: Grade) => void;
}

/** Takes what members send of an unfinished blob: the bytes go to the disk, what their sender says of them to the verifier. */
export class LaneReceiver {
  readonly #blob: UnfinishedBlob;
  readonly #parts: LaneReceiverParts;

  constructor(blob: UnfinishedBlob, parts: LaneReceiverParts) {
    this.#blob = blob;
    this.#parts = parts;
  }

  /**
   * Requests pieces of the lane's peer, and resolves when all are here.
   * @throws what the lane and the store do
   */
  async receive(lane: Lane, [first, count]: Run, { by, hashed, signal, heard }: ReceiveOptions): Promise<Received> {
    const { digest, layout, meter, provenance } = this.#blob;
    const { download, verifier, writer, now, completed } = this.#parts;
    const sender = lane.peerId;
    const range = layout.range(first, count);
    const statements = new Map<number, Statement>();
    const checks: Promise<void>[] = [];
    const target = writer.target(range.start, {
      hashed,
      onPiece: (piece, sha256) => {
        const statement = statements.get(piece);
        provenance.set(piece, sender, statement);
        // What it sends along says otherwise: nothing of this is believed.
        if (statement !== undefined && sha256 !== undefined && !statement.sha256.equals(sha256)) {
          verifier.contradictsItself(sender, piece);
          return;
        }
        completed(piece, Grade.received);
        download.arrived(piece, by, false, now());
        meter.fromPeer(sender, layout.bytes(piece));
        if (statement !== undefined && sha256 !== undefined) checks.push(verifier.fits(piece, statement));
      },
    });
    try {
      await lane.request(
        digest,
        range,
        {
          write: (offset, chunk) => {
            download.heard(by, now());
            heard?.(chunk.length);
            return target.write(offset, chunk);
          },
          noted: (note) => {
            for (const statement of parseNote(note)) {
              const piece = layout.pieceAt(statement.start);
              const { start, end } = layout.range(piece);
              if (statement.start === start && statement.length === end - start) statements.set(piece, statement);
            }
          },
        },
        signal,
      );
    } finally {
      target.release();
    }
    return { checked: Promise.all(checks) };
  }
}
