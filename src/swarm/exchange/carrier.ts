import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { Network } from '../network/network.ts';
import type { BlobOrigin } from './blob-sources.ts';
import type { Run } from './core/bitfield.ts';
import type { Download, FetchOutcome } from './core/download.ts';
import type { Fetch } from './core/neighbour.ts';
import type { Read } from './core/read-plan.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import { PieceWriter } from './piece-writer.ts';
import type { Provenance } from './provenance.ts';
import { encodeNote, makeStatement, parseNote, type Statement } from './statement.ts';
import type { TransferMeter } from './transfer-meter.ts';

/** Pieces of an extent that are asked of a holder at once. */
const HOLDER_REQUESTS = 3;

export interface CarrierOptions {
  readonly network: Network;
  readonly now: () => number;
  readonly digest: Digest;
  readonly repository: string;
  readonly download: Download;
  readonly partial: PartialBlob;
  readonly provenance: Provenance;
  readonly verifier: PieceVerifier;
  readonly meter: TransferMeter;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
  readonly origin: () => BlobOrigin | undefined;
  /** Something changed that the choices depend on. */
  readonly wake: () => void;
  /** A piece is whole and has its grade. */
  completed(): void;
  originFailed(error: unknown): void;
  leaseEnded(read: Read, done: Run[], outcome: 'done' | 'failed'): void;
}

/**
 * Carries out what one download chose: requests over lanes, reads of leased extents from the origin or a holder; and the other
 * way, serves pieces of the unfinished blob. Reports what happened to the download.
 */
export class Carrier {
  readonly #options: CarrierOptions;
  readonly #writer: PieceWriter;
  readonly #fetches = new Map<number, AbortController>();

  constructor(options: CarrierOptions) {
    this.#options = options;
    const { download, partial } = options;
    // Both: a piece that is being replaced has no grade for a moment, one whose statement is awaited does not count as here yet.
    this.#writer = new PieceWriter(partial, download.layout, (piece) => download.have.has(piece) || partial.grade(piece) !== Grade.missing);
  }

  cancel(fetch: Fetch): void {
    this.#fetches.get(fetch.id)?.abort();
  }

  async fetch(fetch: Fetch): Promise<void> {
    const download = this.#options.download;
    const abort = new AbortController();
    this.#fetches.set(fetch.id, abort);
    const signal = AbortSignal.any([abort.signal, this.#options.signal]);
    const range = download.layout.range(fetch.first, fetch.count);
    const target = this.#writer.target(range.start, (piece) => {
      this.#options.provenance.set(piece, fetch.peer, undefined);
      this.#complete(piece, Grade.received);
      download.arrived(piece, { fetch }, false, this.#options.now());
      this.#options.meter.fromPeer(fetch.peer, download.layout.bytes(piece));
    });
    let outcome: FetchOutcome = 'done';
    try {
      const lane = await this.#options.network.lane(fetch.peer, signal);
      const note = await lane.request(this.#options.digest, range, target, signal);
      this.#noted(fetch.peer, note);
    } catch (error) {
      outcome = signal.aborted ? 'cancelled' : errorCode(error) === 'not-found' ? 'absent' : 'failed';
      if (outcome !== 'cancelled') this.#options.meter.stalled(errorCode(error) === 'timeout');
    } finally {
      target.release();
      this.#fetches.delete(fetch.id);
      download.fetchEnded(fetch, outcome, this.#options.now());
      this.#options.wake();
    }
  }

  /** Statements that came with an answer let its pieces be passed on before the blob is proven. */
  #noted(peer: string, note: Uint8Array): void {
    const { layout } = this.#options.download;
    for (const statement of parseNote(note)) {
      const piece = layout.pieceAt(statement.start);
      const origin = this.#options.provenance.get(piece);
      if (origin === undefined || origin.sender !== peer || statement.length !== layout.bytes(piece)) continue;
      origin.statement ??= statement;
      this.#options.download.makeServable(piece);
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
    const target = this.#writer.target(range.start, async (piece) => {
      const { start, end } = download.layout.range(piece);
      const bytes = await this.#options.partial.read(start, end - start);
      this.#options.provenance.set(piece, undefined, await makeStatement(this.#options.network, this.#options.digest, start, bytes));
      this.#complete(piece, Grade.origin);
      download.arrived(piece, { read }, true, this.#options.now());
      this.#options.wake();
    });
    let offset = range.start;
    try {
      for await (const chunk of origin.readBlob(this.#options.repository, this.#options.digest, range, this.#options.signal)) {
        await target.write(offset, chunk);
        offset += chunk.length;
        this.#options.meter.fromOrigin(chunk.length);
      }
    } finally {
      target.release();
    }
  }

  /** Single pieces, a few at once: each comes with its statement, and can be passed on when it is here. */
  async #readHolder(read: Read, holder: string): Promise<void> {
    const download = this.#options.download;
    const lane = await this.#options.network.lane(holder, this.#options.signal);
    const pieces = Array.from({ length: read.extent.count }, (_, i) => read.extent.first + i).filter((piece) => !download.have.has(piece));
    const next = pieces.values();
    const readPieces = async (): Promise<void> => {
      for (const piece of next) {
        const range = download.layout.range(piece);
        let arrived = false;
        const target = this.#writer.target(range.start, () => {
          this.#options.provenance.set(piece, holder, undefined);
          this.#complete(piece, Grade.received);
          arrived = true;
          this.#options.meter.fromPeer(holder, range.end - range.start);
        });
        try {
          const note = await lane.request(this.#options.digest, range, target, this.#options.signal);
          if (!arrived) continue;
          const [statement] = parseNote(note);
          const origin = this.#options.provenance.get(piece);
          if (origin !== undefined && statement !== undefined && statement.start === range.start) origin.statement = statement;
          download.arrived(piece, { read }, statement !== undefined, this.#options.now());
          this.#options.wake();
        } finally {
          target.release();
        }
      }
    };
    await Promise.all(Array.from({ length: HOLDER_REQUESTS }, readPieces));
  }

  /** [start, end) as it can be served before the blob is proven, with the note that goes with it; undefined when it cannot. */
  async serve(start: number, end: number): Promise<{ bytes: Buffer; note: Uint8Array } | undefined> {
    const { download, provenance, verifier } = this.#options;
    if (end > download.layout.size || end <= start) return undefined;
    const first = download.layout.pieceAt(start);
    const last = download.layout.pieceAt(end - 1);
    for (let piece = first; piece <= last; piece++) {
      if (!download.servable.has(piece) || !(await verifier.mayServe(piece))) return undefined;
    }
    const statements = (): (Statement | undefined)[] => Array.from({ length: last - first + 1 }, (_, i) => provenance.get(first + i)?.statement);
    const before = statements();
    const bytes = await this.#options.partial.read(start, end - start);
    // A piece may have been replaced while it was read: its bytes must not go out with the statement of those before.
    if (statements().some((statement, i) => statement !== before[i])) return undefined;
    const notes = before.map((statement) => encodeNote(statement === undefined ? [] : [statement]));
    this.#options.partial.share?.(first, notes);
    return { bytes, note: Buffer.concat(notes) };
  }

  #complete(piece: number, grade: Grade): void {
    this.#options.partial.complete(piece, grade);
    this.#options.completed();
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
