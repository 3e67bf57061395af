import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import { MAX_NOTE_BYTES } from '../lane/frame.ts';
import type { ByteSource, Lane, LaneAnswer } from '../lane/lane.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { BlobOrigin, Say } from '../swarm.ts';
import type { Run } from './core/bitfield.ts';
import type { ArrivedBy, Download, FetchOutcome } from './core/download.ts';
import type { Fetch } from './core/neighbour.ts';
import type { Read } from './core/read-plan.ts';
import type { PeerRates } from './peer-rates.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import { PieceWriter } from './piece-writer.ts';
import type { PieceOrigin, Provenance } from './provenance.ts';
import { encodeNote, MAX_SIGNED, parseNote, signStatements, type Statement } from './statement.ts';
import type { TransferMeter } from './transfer-meter.ts';

/** Pieces of an extent that are asked of a holder at once. */
const HOLDER_REQUESTS = 3;
/** Pieces that are read within so little time are signed together, though the first after a pause at once. */
const SIGN_GATHER_MS = 15;

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
  /** Read, and not signed yet; those of them that the next signature is for. */
  readonly #unsigned = new Set<number>();
  #toSign: { readonly piece: number; readonly sha256: Buffer; readonly read: Read }[] = [];
  #signing: Promise<void> | undefined;
  #signedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DownloadIoOptions) {
    this.#options = options;
    const { download, partial } = options;
    // All: a piece that is being replaced has no grade for a moment, one that is not signed yet must not change below its hash.
    this.#writer = new PieceWriter(
      partial,
      download.layout,
      (piece) => download.have.has(piece) || partial.grade(piece) !== Grade.missing || this.#unsigned.has(piece),
    );
  }

  cancel(fetch: Fetch): void {
    this.#fetches.get(fetch.id)?.abort();
  }

  /** Before `signal`, and before the unfinished blob is closed. What was read and is not signed yet is kept for the next time. */
  stop(): void {
    const { download, partial } = this.#options;
    try {
      for (const piece of this.#unsigned) if (!download.have.has(piece)) partial.complete(piece, Grade.origin);
    } catch {
      // The store takes nothing more: they are read again.
    }
    this.#unsigned.clear();
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
        this.#unsigned.add(piece);
        this.#toSign.push({ piece, sha256: sha256!, read });
        signing.add((this.#signing ??= this.#signSoon()));
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

  /** Pieces that this node read from the origin: it answers for them from now on. */
  async #signSoon(): Promise<void> {
    const { digest, download, network, now, provenance, wake, signal } = this.#options;
    await delay(Math.max(0, this.#signedAt + SIGN_GATHER_MS - performance.now()));
    const pieces = this.#toSign;
    this.#toSign = [];
    this.#signing = undefined;
    this.#signedAt = performance.now();
    for (let i = 0; i < pieces.length; i += MAX_SIGNED) {
      const together = pieces.slice(i, i + MAX_SIGNED);
      const statements = await signStatements(
        network,
        digest,
        together.map(({ piece, sha256 }) => {
          const { start, end } = download.layout.range(piece);
          return { start, length: end - start, sha256 };
        }),
      );
      if (signal.aborted) return;
      for (const [j, { piece, read }] of together.entries()) {
        this.#unsigned.delete(piece);
        provenance.set(piece, undefined, statements[j]);
        this.#complete(piece, Grade.origin);
        download.arrived(piece, { read }, true, now());
      }
    }
    wake();
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

  /** [start, end) as it can be served before the blob is proven, with the note that goes with it; undefined when it cannot. */
  serve(start: number, end: number): LaneAnswer | undefined {
    const { download, partial, provenance } = this.#options;
    const { layout } = download;
    if (end > layout.size || end <= start) return undefined;
    const first = layout.pieceAt(start);
    const count = layout.pieceAt(end - 1) - first + 1;
    const origins: PieceOrigin[] = [];
    for (let piece = first; piece < first + count; piece++) {
      const origin = provenance.get(piece);
      if (origin === undefined || !download.servable.has(piece)) return undefined;
      origins.push(origin);
    }
    const note = encodeNote(origins.flatMap(({ statement }) => statement ?? []));
    if (note.length > MAX_NOTE_BYTES) return undefined;
    const source: ByteSource = {
      readInto: (bytes, offset) => {
        // A piece may have been replaced meanwhile: its bytes must not go out with the statement of those before.
        for (const piece of [layout.pieceAt(offset), layout.pieceAt(offset + bytes.length - 1)]) {
          if (provenance.get(piece) !== origins[piece - first])
            throw new LayerswarmError('unavailable', `piece ${piece} was replaced while it was sent`);
        }
        partial.readInto(bytes, offset);
      },
    };
    return { source, range: { start, end }, note };
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
