import { errorCode, LayerswarmError } from '../../errors.ts';
import { Grade } from '../../store/blob-store.ts';
import type { LaneAnswer } from '../lane/lane.ts';
import type { Run } from './core/bitfield.ts';
import type { Download, FetchOutcome } from './core/download.ts';
import type { Fetch } from './core/neighbour.ts';
import { isLeased, type Read } from './core/read-plan.ts';
import { LaneReceiver } from './lane-receiver.ts';
import { PieceSigner } from './piece-signer.ts';
import type { PieceVerifier } from './piece-verifier.ts';
import { PieceWriter } from './piece-writer.ts';
import type { TransferContext } from './transfer-context.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';
import { unfinishedAnswer } from './unfinished-answer.ts';

/** Pieces of an extent that are asked of a holder at once. */
const HOLDER_REQUESTS = 3;

export interface DownloadIoListener {
  /** Something changed that the choices depend on. */
  wake(): void;
  /** A piece is whole and has its grade. */
  completed(piece: number, grade: Grade): void;
  /** The store does not take the blob. */
  failed(error: unknown): void;
}

/**
 * Carries out what one download chose: requests over lanes, reads of leased extents from the origin or a holder; and the other
 * way, serves pieces of the unfinished blob. Reports what happened to the download, and of leases to who gave them.
 */
export class DownloadIo {
  readonly #context: TransferContext;
  readonly #blob: UnfinishedBlob;
  readonly #download: Download;
  readonly #listener: DownloadIoListener;
  readonly #writer: PieceWriter;
  readonly #receiver: LaneReceiver;
  readonly #signer: PieceSigner;
  readonly #fetches = new Map<number, AbortController>();

  constructor(context: TransferContext, blob: UnfinishedBlob, download: Download, verifier: PieceVerifier, listener: DownloadIoListener) {
    this.#context = context;
    this.#blob = blob;
    this.#download = download;
    this.#listener = listener;
    this.#signer = new PieceSigner(context.network, blob, ({ piece, read }, statement) => {
      blob.provenance.set(piece, undefined, statement);
      this.#complete(piece, Grade.origin);
      download.arrived(piece, { read }, true, context.now());
      listener.wake();
    });
    // All: a piece that is being replaced has no grade for a moment, one that is not signed yet must not change below its hash.
    this.#writer = new PieceWriter(blob.partial, blob.layout, {
      has: (piece) => download.have.has(piece) || blob.grade(piece) !== Grade.missing || this.#signer.unsigned.has(piece),
      failed: (error) => {
        if (!blob.over.aborted) listener.failed(error);
      },
    });
    this.#receiver = new LaneReceiver(blob, {
      download,
      verifier,
      writer: this.#writer,
      now: context.now,
      completed: (piece, grade) => this.#complete(piece, grade),
    });
  }

  cancel(fetch: Fetch): void {
    this.#fetches.get(fetch.id)?.abort();
  }

  /** Before the unfinished blob is over. What was read and is not signed yet is kept for the next time. */
  stop(): void {
    try {
      for (const piece of this.#signer.unsigned) if (!this.#download.have.has(piece)) this.#blob.partial.complete(piece, Grade.origin);
    } catch {
      // The store takes nothing more: they are read again.
    }
    this.#signer.clear();
    // A signal that joins each with the rest would cost a request more than its frames do.
    for (const abort of this.#fetches.values()) abort.abort();
  }

  async fetch(fetch: Fetch): Promise<void> {
    const { network, now, rates } = this.#context;
    const { digest, meter, say } = this.#blob;
    const abort = new AbortController();
    this.#fetches.set(fetch.id, abort);
    const { signal } = abort;
    let outcome: FetchOutcome = 'done';
    let received = 0;
    try {
      const lane = await network.lane(fetch.peer, digest, signal);
      await this.#receiver.receive(lane, [fetch.first, fetch.count], {
        by: { fetch },
        hashed: fetch.relayed,
        signal,
        heard: (bytes) => {
          received += bytes;
        },
      });
    } catch (error) {
      outcome = signal.aborted ? 'cancelled' : errorCode(error) === 'not-found' ? 'absent' : 'failed';
      if (outcome !== 'cancelled') {
        meter.stalled(errorCode(error) === 'timeout');
        say?.('a source is left', { peer: fetch.peer, first: fetch.first, pieces: fetch.count, reason: errorCode(error) });
      }
    } finally {
      this.#fetches.delete(fetch.id);
      rates.measured(fetch.peer, received, now() - fetch.startedAt, outcome === 'done');
      this.#download.fetchEnded(fetch, outcome, now());
      this.#listener.wake();
    }
  }

  async read(read: Read): Promise<void> {
    const { coordinators, now } = this.#context;
    const { digest, meter, origin, over, say } = this.#blob;
    const download = this.#download;
    let outcome: 'done' | 'failed' = 'done';
    try {
      if (read.source === undefined) await this.#readOrigin(read);
      else await this.#readHolder(read, read.source);
    } catch (error) {
      outcome = 'failed';
      say?.('a read failed', {
        peer: read.source,
        from: read.source === undefined ? 'origin' : undefined,
        first: read.extent.first,
        pieces: read.extent.count,
        reason: errorCode(error),
      });
      if (read.source !== undefined) download.neighbours.get(read.source)?.failed(now());
      else if (!over.aborted) {
        origin.failed(error);
        meter.stalled(errorCode(error) === 'timeout');
      }
    } finally {
      download.readEnded(read, now());
      if (isLeased(read)) coordinators.report(digest, read.extent, doneRuns(download, read), outcome);
      this.#listener.wake();
    }
  }

  async #readOrigin(read: Read): Promise<void> {
    const { now, rates } = this.#context;
    const { digest, layout, meter, origin, over, repository } = this.#blob;
    const download = this.#download;
    const source = origin.usable;
    if (source === undefined) throw new LayerswarmError('origin-unknown', 'no origin can be read');
    const { first, count } = firstGap(download, read);
    if (count === 0) return;
    const range = layout.range(first, count);
    const signing = new Set<Promise<void>>();
    const target = this.#writer.target(range.start, {
      hashed: true,
      onPiece: (piece, sha256) => {
        signing.add(this.#signer.add({ piece, sha256: sha256!, read }));
      },
    });
    let offset = range.start;
    const began = now();
    let isWhole = false;
    try {
      for await (const chunk of source.readBlob(repository, digest, { ...range, size: layout.size }, over)) {
        download.heard({ read }, now());
        await target.write(offset, chunk);
        offset += chunk.length;
        meter.fromOrigin(chunk.length);
      }
      isWhole = true;
      origin.succeeded();
    } finally {
      rates.measured(undefined, offset - range.start, now() - began, isWhole);
      await Promise.all(signing);
      target.release();
    }
  }

  /** Single pieces, a few at once: each comes with its statement, and can be passed on when it is here. */
  async #readHolder(read: Read, holder: string): Promise<void> {
    const { digest, over } = this.#blob;
    const { extent } = read;
    const lane = await this.#context.network.lane(holder, digest, over);
    const pieces = Array.from({ length: extent.count }, (_, i) => extent.first + i).filter((piece) => !this.#download.have.has(piece));
    const next = pieces.values();
    const readPieces = async (): Promise<void> => {
      for (const piece of next) {
        const { checked } = await this.#receiver.receive(lane, [piece, 1], { by: { read }, hashed: true, signal: over });
        void checked.then(() => this.#listener.wake());
      }
    };
    await Promise.all(Array.from({ length: HOLDER_REQUESTS }, readPieces));
  }

  /** One piece before all others; what its sender says of it is checked when this resolves. Never throws. */
  async bring(peer: string, piece: number, signal: AbortSignal): Promise<void> {
    const { network, now } = this.#context;
    this.#download.claim([piece, 1]);
    try {
      const lane = await network.lane(peer, this.#blob.digest, signal);
      const { checked } = await this.#receiver.receive(lane, [piece, 1], { by: {}, hashed: true, signal });
      await checked;
    } catch {
      if (!this.#blob.over.aborted) this.#download.neighbours.get(peer)?.failed(now());
    } finally {
      this.#download.release([piece, 1]);
      this.#listener.wake();
    }
  }

  /** As `unfinishedAnswer`. */
  serve(start: number, end: number): LaneAnswer | undefined {
    return unfinishedAnswer(this.#blob, this.#download.servable, start, end);
  }

  #complete(piece: number, grade: Grade): void {
    this.#blob.partial.complete(piece, grade);
    this.#listener.completed(piece, grade);
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
