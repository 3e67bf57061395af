import { BoundedMap } from '../../bounded-map.ts';
import { errorCode } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobReader } from '../../store/blob-store.ts';
import type { ByteRange, LaneAnswer, LaneSource } from '../lane/lane.ts';
import type { BlobNetwork } from '../network/network.ts';
import { PieceLayout, pieceLengthFor } from './core/piece-layout.ts';
import type { ExchangeStore } from './exchange-store.ts';
import { OpenBlobs } from './open-blobs.ts';
import { encodeNote, makeStatement, type Statement } from './statement.ts';
import type { Transfer } from './transfer.ts';

export interface BlobServerOptions {
  readonly network: BlobNetwork;
  readonly store: ExchangeStore;
  /** The transfer of a blob that is under way here. */
  transfer(blob: Digest): Transfer | undefined;
  mayShare(blob: Digest): Promise<boolean> | boolean;
  /** Told the bytes that were asked for and are being sent. */
  sent(peerId: string, blob: Digest, bytes: number): void;
  /** Told who asked for what is not here. Resolves when it may be answered. */
  missed(peerId: string): Promise<void>;
}

const DOUBT_EVERY_MS = 60_000;
const MAX_DOUBTED = 1024;
/** Blobs that one member may say it is fetching. */
const MAX_FETCHED = 1024;

/** Serves members over their lanes: whole blobs from the store, and of unfinished ones what this node can answer for. */
export class BlobServer implements LaneSource {
  readonly #options: BlobServerOptions;
  /** Members that are fetching each blob, as far as they said so here. */
  readonly #fetching = new Map<string, Set<string>>();
  readonly #fetchedBy = new Map<string, Set<string>>();
  readonly #open: OpenBlobs;
  /** Blobs that were compared again since somebody disputed them, and when. */
  readonly #doubted = new BoundedMap<string, number>(MAX_DOUBTED);

  constructor(options: BlobServerOptions) {
    this.#options = options;
    this.#open = new OpenBlobs(options.store);
  }

  joined(peerId: string, blob: string): void {
    const members = this.#fetching.get(blob) ?? new Set();
    this.#fetching.set(blob, members.add(peerId));
    const blobs = this.#fetchedBy.get(peerId) ?? new Set();
    this.#fetchedBy.set(peerId, blobs.add(blob));
    if (blobs.size > MAX_FETCHED) this.left(peerId, blobs.values().next().value!);
  }

  left(peerId: string, blob: string): void {
    const members = this.#fetching.get(blob);
    if (members?.delete(peerId) === true && members.size === 0) this.#fetching.delete(blob);
    const blobs = this.#fetchedBy.get(peerId);
    if (blobs?.delete(blob) === true && blobs.size === 0) this.#fetchedBy.delete(peerId);
  }

  forget(peerId: string): void {
    for (const blob of this.#fetchedBy.get(peerId) ?? []) this.left(peerId, blob);
  }

  read(peerId: string, blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> | LaneAnswer | undefined {
    const transfer = this.#options.transfer(blob);
    if (transfer === undefined) return this.#readComplete(peerId, blob, range);
    if (!transfer.shared) return undefined;
    const served = transfer.serve(range.start, range.end);
    if (served !== undefined) return this.#counted(peerId, blob, served);
    // It may just have been finished.
    return transfer.state === 'done' ? this.#readComplete(peerId, blob, range) : undefined;
  }

  /**
   * A statement on a piece from what is proven here, else from another reading of the origin. Somebody got other bytes of it: what is here
   * is compared again first, whatever was found before, and is dropped where it is wrong.
   */
  async lookAgain(blob: Digest, piece: number): Promise<Statement | undefined> {
    const open = await this.#open.use(blob);
    if (open === undefined) return await this.#options.transfer(blob)?.lookAgain(piece);
    try {
      await this.#doubt(blob, open.reader);
      const layout = new PieceLayout(open.reader.size);
      if (piece >= layout.pieceCount) return undefined;
      const { start, end } = layout.range(piece);
      return await makeStatement(this.#options.network, blob, start, await open.reader.read(start, end - start));
    } catch (error) {
      if (errorCode(error) === 'digest-mismatch') return undefined;
      throw error;
    } finally {
      open.release();
    }
  }

  /** Once in a while: whoever asks makes this node read the blob. */
  async #doubt(blob: Digest, reader: BlobReader): Promise<void> {
    const key = blob.toString();
    const now = performance.now();
    if (now - (this.#doubted.get(key) ?? -Infinity) < DOUBT_EVERY_MS) return;
    this.#doubted.set(key, now);
    await this.#options.store.doubt(blob);
    reader.doubt();
  }

  /** Closes what members read and nobody reads just now: open blobs are never evicted. */
  async closeIdle(): Promise<void> {
    await this.#open.closeIdle();
  }

  async close(): Promise<void> {
    await this.#open.close();
  }

  async #readComplete(peerId: string, blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> {
    // Both at once: each may be a question to another thread.
    const [mayShare, open] = await Promise.all([this.#options.mayShare(blob), this.#open.use(blob)]);
    if (open === undefined) {
      await this.#options.missed(peerId);
      return undefined;
    }
    const { reader } = open;
    const release = (): void => {
      open.release();
    };
    if (!mayShare || range.end > reader.size) {
      release();
      return undefined;
    }
    try {
      const note = await this.#noteFor(blob, reader.size, range, () => reader.read(range.start, range.end - range.start));
      return this.#counted(peerId, blob, { source: reader, range, note, close: release });
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Bytes count as they are read to be sent: a range may be cancelled. */
  #counted(peerId: string, blob: Digest, answer: LaneAnswer): LaneAnswer {
    if ('bytes' in answer) {
      this.#options.sent(peerId, blob, answer.bytes.length);
      return answer;
    }
    const { source } = answer;
    return {
      ...answer,
      source: {
        readInto: (bytes, offset) => {
          const done = source.readInto(bytes, offset);
          this.#options.sent(peerId, blob, bytes.length);
          return done;
        },
      },
    };
  }

  /** In a crowd single pieces come with a statement, so that whoever reads one under a lease can pass it on at once. */
  async #noteFor(blob: Digest, size: number, range: ByteRange, bytes: () => Promise<Buffer>): Promise<Uint8Array> {
    const crowd = (this.#fetching.get(blob.toString())?.size ?? 0) > 1;
    if (!crowd || range.end - range.start > pieceLengthFor(size)) return new Uint8Array();
    return encodeNote([await makeStatement(this.#options.network, blob, range.start, await bytes())]);
  }
}
