import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ByteRange, LaneAnswer, LaneSource } from '../lane/lane.ts';
import type { Network } from '../network/network.ts';
import { PieceLayout, pieceLengthFor } from './core/piece-layout.ts';
import { encodeNote, makeStatement, type Statement } from './statement.ts';
import type { Transfer } from './transfer.ts';

export interface BlobServerOptions {
  readonly network: Network;
  readonly blobs: BlobStore;
  /** The transfer of a blob that is under way here. */
  transfer(blob: Digest): Transfer | undefined;
  mayShare(blob: Digest): boolean;
  /** Told the bytes that were asked for and are being sent. */
  sent(bytes: number): void;
}

/** Serves members over their lanes: whole blobs from the store, and of unfinished ones what this node can answer for. */
export class BlobServer implements LaneSource {
  readonly #options: BlobServerOptions;
  /** Members that are fetching each blob, as far as they said so here. */
  readonly #fetching = new Map<string, Set<string>>();

  constructor(options: BlobServerOptions) {
    this.#options = options;
  }

  joined(peerId: string, blob: string): void {
    let members = this.#fetching.get(blob);
    if (members === undefined) {
      members = new Set();
      this.#fetching.set(blob, members);
    }
    members.add(peerId);
  }

  left(peerId: string, blob: string): void {
    const members = this.#fetching.get(blob);
    if (members?.delete(peerId) === true && members.size === 0) this.#fetching.delete(blob);
  }

  forget(peerId: string): void {
    for (const blob of this.#fetching.keys()) this.left(peerId, blob);
  }

  async read(peerId: string, blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> {
    if (!this.#options.mayShare(blob)) return undefined;
    const size = this.#options.blobs.size(blob);
    if (size !== undefined) return range.end <= size ? await this.#readComplete(blob, size, range) : undefined;
    const served = await this.#readUnfinished(blob, range);
    if (served !== undefined) this.#options.sent(served.bytes.length);
    // Its partial file was closed while it was read when it was finished meanwhile.
    return served ?? (this.#options.blobs.size(blob) === undefined ? undefined : await this.read(peerId, blob, range));
  }

  served(bytes: number): void {
    this.#options.sent(bytes);
  }

  /** A statement on a piece from what is proven here, else from another reading of the origin. */
  async lookAgain(blob: Digest, piece: number): Promise<Statement | undefined> {
    const size = this.#options.blobs.size(blob);
    if (size === undefined) return await this.#options.transfer(blob)?.lookAgain(piece);
    const layout = new PieceLayout(size);
    if (piece >= layout.pieceCount) return undefined;
    const { start, end } = layout.range(piece);
    const reader = await this.#options.blobs.open(blob);
    try {
      return await makeStatement(this.#options.network, blob, start, await reader.read(start, end - start));
    } finally {
      await reader.close();
    }
  }

  async #readUnfinished(blob: Digest, range: ByteRange): Promise<{ bytes: Buffer; note: Uint8Array } | undefined> {
    try {
      return await this.#options.transfer(blob)?.serve(range.start, range.end);
    } catch (error) {
      if (this.#options.blobs.size(blob) !== undefined) return undefined;
      throw error;
    }
  }

  async #readComplete(blob: Digest, size: number, range: ByteRange): Promise<LaneAnswer> {
    const reader = await this.#options.blobs.open(blob);
    const length = range.end - range.start;
    this.#options.sent(length);
    const note = await this.#noteFor(blob, size, range, () => reader.read(range.start, length));
    return { file: { path: reader.path, start: range.start, end: range.end }, note, close: () => void reader.close() };
  }

  /** In a crowd single pieces come with a statement, so that whoever reads one under a lease can pass it on at once. */
  async #noteFor(blob: Digest, size: number, range: ByteRange, bytes: () => Promise<Buffer>): Promise<Uint8Array> {
    const crowd = (this.#fetching.get(blob.toString())?.size ?? 0) > 1;
    if (!crowd || range.end - range.start > pieceLengthFor(size)) return new Uint8Array();
    return encodeNote([await makeStatement(this.#options.network, blob, range.start, await bytes())]);
  }
}
