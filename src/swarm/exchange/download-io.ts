import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { Lane, LaneAnswer } from '../lane/lane.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { BlobOrigin, Say } from '../swarm.ts';
import type { Run } from './core/bitfield.ts';
import type { ArrivedBy, Download, FetchOutcome } from './core/download.ts';
import type { Fetch } from './core/neighbour.ts';
import type { Read } from './core/read-plan.ts';
import type { PeerRates } from './peer-rates.ts';
import { PieceSigner } from './piece-signer.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import { PieceWriter } from './piece-writer.ts';
import type { Provenance } from './provenance.ts';
import { parseNote, type Statement } from './statement.ts';
import type { TransferMeter } from './transfer-meter.ts';
import { unfinishedAnswer } from './unfinished-answer.ts';

/** Pieces of an extent that are asked of a holder at once. */
const HOLDER_REQUESTS = 3;

export interface DownloadIoOptions {
  readonly network: BlobNetwork;
  readonly now: () => number;
  readonly digest: Digest;
  readonly repository: string;
  readonly download: Download;
  readonly partial: PartialBlob;
  readonly provenance: Provenance;
  readonly verifier: PieceVerifier;
  readonly meter: TransferMeter;
  readonly rates: PeerRates;
  readonly say: Say | undefined;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
  readonly origin: () => BlobOrigin | undefined;
  /** Something changed that the choices depend on. */
  readonly wake: () => void;
  /** A piece is whole and has its grade. */
  completed(piece: number, grade: Grade): void;
  originFailed(error: unknown): void;
  leaseEnded(read: Read, done: Run[], outcome: 'done' | 'failed'): void;
}

/**
 * Carries out what one download chose: requests over lanes, reads of leased extents from the origin or a holder; and the other
 * way, serves pieces of the unfinished blob. Reports what happened to the download.
 */
export class DownloadIo {
  readonly #options: DownloadIoOptions;
  readonly #writer: PieceWriter;
  readonly #fetches = new Map<number, AbortController>();
  readonly #signer: PieceSigner;

  constructor(options: DownloadIoOptions) {
    this.#options = options;
    const { network, digest, download, partial, provenance, now, wake, signal } = options;
    this.#signer = new PieceSigner(
      network,
      digest,
      download.layout,
      ({ piece, read }, statement) => {
        provenance.set(piece, undefined, statement);
        this.#complete(piece, Grade.origin);
        download.arrived(piece, { read }, true, now());
        wake();
      },
      signal,
    );
    // All: a piece that is being replaced has no grade for a moment, one that is not signed yet must not change below its hash.
    this.#writer = new PieceWriter(
      partial,
      download.layout,
      (piece) => download.have.has(piece) || partial.grade(piece) !== Grade.missing || this.#signer.unsigned.has(piece),
    );
  }

  cancel(fetch: Fetch): void {
    this.#fetches.get(fetch.id)?.abort();
  }

  /** Before `signal`, and before the unfinished blob is closed. What was read and is not signed yet is kept for the next time. */
  stop(): void {
    const { download, partial } = this.#options;
    try {
      for (const piece of this.#signer.unsigned) if (!download.have.has(piece)) partial.complete(piece, Grade.origin);
    } catch {
      // The store takes nothing more: they are read again.
    }
    this.#signer.clear();
    // A signal that joins each with the rest would cost a request more than its frames do.
    for (const abort of this.#fetches.values()) abort.abort();
  }

  async fetch(fetch: Fetch): Promise<void> {
    const { download, digest, meter, now, provenance, verifier } = this.#options;
    const abort = new AbortController();
    this.#fetches.set(fetch.id, abort);
    const { signal } = abort;
    const range = download.layout.range(fetch.first, fetch.count);
    const statements = new Map<number, Statement>();
    const target = this.#writer.target(range.start, {
      hashed: fetch.relayed,
      onPiece: (piece, sha256) => {
        const statement = statements.get(piece);
        provenance.set(piece, fetch.peer, statement);
        // What it sends along says otherwise: nothing of this is believed.
        if (statement !== undefined && sha256 !== undefined && !statement.sha256.equals(sha256)) {
          verifier.contradictsItself(fetch.peer, piece);
          return;
        }
        this.#complete(piece, Grade.received);
        download.arrived(piece, { fetch }, false, now());
        meter.fromPeer(fetch.peer, download.layout.bytes(piece));
        if (statement !== undefined && sha256 !== undefined) void verifier.fits(piece, statement);
      },
    });
    let outcome: FetchOutcome = 'done';
    let received = 0;
    try {
      const lane = await this.#options.network.lane(fetch.peer, digest, signal);
      await lane.request(
        digest,
        range,
        {
          write: (offset, chunk) => {
            download.heard({ fetch }, now());
            received += chunk.length;
            return target.write(offset, chunk);
          },
          noted: (note) => {
            for (const [piece, statement] of this.#statementsIn(note)) statements.set(piece, statement);
          },
        },
        signal,
      );
    } catch (error) {
      outcome = signal.aborted ? 'cancelled' : errorCode(error) === 'not-found' ? 'absent' : 'failed';
      if (outcome !== 'cancelled') {
        meter.stalled(errorCode(error) === 'timeout');
        this.#options.say?.('a source is left', { peer: fetch.peer, first: fetch.first, pieces: fetch.count, reason: errorCode(error) });
      }
    } finally {
      target.release();
      this.#fetches.delete(fetch.id);
      this.#options.rates.measured(fetch.peer, received, now() - fetch.startedAt, outcome === 'done');
      download.fetchEnded(fetch, outcome, now());
      this.#options.wake();
    }
  }

  *#statementsIn(note: Uint8Array): Iterable<[number, Statement]> {
    const { layout } = this.#options.download;
    for (const statement of parseNote(note)) {
      const piece = layout.pieceAt(statement.start);
      const { start, end } = layout.range(piece);
      if (statement.start === start && statement.length === end - start) yield [piece, statement];
    }
  }

  async read(read: Read): Promise<void> {
    const download = this.#options.download;
    let outcome: 'done' | 'failed' = 'done';
    try {
      if (read.source === undefined) await this.#readOrigin(read);
      else await this.#readHolder(read, read.source);
    } catch (error) {
      outcome = 'failed';
      this.#options.say?.('a read failed', {
        peer: read.source,
        from: read.source === undefined ? 'origin' : undefined,
        first: read.extent.first,
        pieces: read.extent.count,
        reason: errorCode(error),
      });
      if (read.source === undefined && !this.#options.signal.aborted) this.#options.originFailed(error);
      else download.neighbours.get(read.source ?? '')?.failed(this.#options.now());
    } finally {
      download.readEnded(read, this.#options.now());
      this.#options.leaseEnded(read, doneRuns(download, read), outcome);
      this.#options.wake();
    }
  }

  async #readOrigin(read: Read): Promise<void> {
    const download = this.#options.download;
    const origin = this.#options.origin();
    if (origin === undefined) throw new LayerswarmError('origin-unknown', 'no origin can be read');
    const { first, count } = firstGap(download, read);
    if (count === 0) return;
    const range = download.layout.range(first, count);
    const signing = new Set<Promise<void>>();
    const target = this.#writer.target(range.start, {
      hashed: true,
      onPiece: (piece, sha256) => {
        signing.add(this.#signer.add({ piece, sha256: sha256!, read }));
      },
    });
    let offset = range.start;
    const began = this.#options.now();
    let isWhole = false;
    try {
      for await (const chunk of origin.readBlob(
        this.#options.repository,
        this.#options.digest,
        { ...range, size: download.layout.size },
        this.#options.signal,
      )) {
        download.heard({ read }, this.#options.now());
        await target.write(offset, chunk);
        offset += chunk.length;
        this.#options.meter.fromOrigin(chunk.length);
      }
      isWhole = true;
    } finally {
      this.#options.rates.measured(undefined, offset - range.start, this.#options.now() - began, isWhole);
      await Promise.all(signing);
      target.release();
    }
  }

  /** Single pieces, a few at once: each comes with its statement, and can be passed on when it is here. */
  async #readHolder(read: Read, holder: string): Promise<void> {
    const { digest, download, network, signal } = this.#options;
    const lane = await network.lane(holder, digest, signal);
    const pieces = Array.from({ length: read.extent.count }, (_, i) => read.extent.first + i).filter((piece) => !download.have.has(piece));
    const next = pieces.values();
    const readPieces = async (): Promise<void> => {
      for (const piece of next) await this.#readPiece(lane, piece, { read }, signal);
    };
    await Promise.all(Array.from({ length: HOLDER_REQUESTS }, readPieces));
  }

  /** One piece before all others; what its sender says of it is checked when this resolves. Never throws. */
  async bring(peer: string, piece: number, signal: AbortSignal): Promise<void> {
    const { digest, download, network, now, wake } = this.#options;
    download.claim([piece, 1]);
    try {
      const { checked } = await this.#readPiece(await network.lane(peer, digest, signal), piece, {}, signal);
      await checked;
    } catch {
      if (!this.#options.signal.aborted) download.neighbours.get(peer)?.failed(now());
    } finally {
      download.release([piece, 1]);
      wake();
    }
  }

  /** `checked`: the statement that came along, where there was one. */
  async #readPiece(
    lane: Lane,
    piece: number,
    by: ArrivedBy,
    signal: AbortSignal,
  ): Promise<{ readonly checked: Promise<void> | undefined }> {
    const { digest, download, meter, now, provenance, verifier, wake } = this.#options;
    const sender = lane.peerId;
    const range = download.layout.range(piece);
    let statement: Statement | undefined;
    let checked: Promise<void> | undefined;
    const target = this.#writer.target(range.start, {
      hashed: true,
      onPiece: (_, sha256) => {
        provenance.set(piece, sender, statement);
        if (statement !== undefined && !statement.sha256.equals(sha256!)) {
          verifier.contradictsItself(sender, piece);
          return;
        }
        this.#complete(piece, Grade.received);
        download.arrived(piece, by, false, now());
        meter.fromPeer(sender, range.end - range.start);
        if (statement !== undefined) checked = verifier.fits(piece, statement).then(wake);
      },
    });
    try {
      await lane.request(
        digest,
        range,
        {
          write: (offset, chunk) => {
            download.heard(by, now());
            return target.write(offset, chunk);
          },
          noted: (note) => {
            for (const [of, its] of this.#statementsIn(note)) if (of === piece) statement = its;
          },
        },
        signal,
      );
    } finally {
      target.release();
    }
    return { checked };
  }

  /** As `unfinishedAnswer`. */
  serve(start: number, end: number): LaneAnswer | undefined {
    const { download, partial, provenance } = this.#options;
    return unfinishedAnswer(download, partial, provenance, start, end);
  }

  #complete(piece: number, grade: Grade): void {
    this.#options.partial.complete(piece, grade);
    this.#options.completed(piece, grade);
  }
}

/** The part of an extent that is still missing, from its first missing piece to its last. */
function firstGap(download: Download, { extent }: Read): { first: number; count: number } {
  let first = extent.first;
  let after = extent.first + extent.count;
  while (first < after && download.have.has(first)) first++;
  while (after > first && download.have.has(after - 1)) after--;
  return { first, count: after - first };
}

function doneRuns(download: Download, { extent }: Read): Run[] {
  return download.have.runs().flatMap(([first, count]): Run[] => {
    const start = Math.max(first, extent.first);
    const end = Math.min(first + count, extent.first + extent.count);
    return end > start ? [[start, end - start]] : [];
  });
}
