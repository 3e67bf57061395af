import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import { giveBuffer, READ_LENGTH, takeBuffer } from '../disk/buffer-pool.ts';
import { PrefixHash } from './prefix-hash.ts';
import type { WriteTracker } from './write-tracker.ts';

/** A longer write is hashed from memory up to here and read back for the rest, so that the event loop is never held for long. */
const MAX_HASHED_AT_ONCE = 1024 * 1024;
/** What was just written is in the kernel's memory, and read there and then; a read that took longer came from the disk. */
const MAX_READ_NOW_MS = 4;
/** Bytes that arrive are hashed before their piece is complete, up to so many pieces beyond the first missing one. */
const MAX_PIECES_AHEAD = 64;

interface Parts {
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  readonly writes: WriteTracker;
  readonly read: (bytes: Uint8Array, position: number) => Promise<void>;
  /** For what is in the kernel's memory: the thread waits for it. */
  readonly readNow: (bytes: Uint8Array, position: number) => void;
  readonly onCheckpoint: (index: number, prefixDigest: Buffer) => void;
}

/**
 * How far an unfinished blob is hashed. Bytes that arrive at the hash's position are hashed from memory, the others are read
 * back once the pieces before them are complete. What is hashed is always what the disk holds.
 */
export class PrefixProgress {
  readonly #parts: Parts;
  readonly #hash: PrefixHash;
  /** Length of the prefix whose pieces are all complete. */
  #completeBytes = 0;
  /** Checkpoints that were told. */
  #announced = 0;
  /** Counts rewinds, so that what was read before one is not hashed after it. */
  #epoch = 0;
  #verdict: boolean | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#hash = new PrefixHash(parts.digest.algorithm, parts.size);
  }

  get checkpointLength(): number {
    return this.#hash.checkpointLength;
  }

  get hashedBytes(): number {
    return Math.min(this.#hash.position, this.#completeBytes);
  }

  get prefixDigests(): readonly Buffer[] {
    const { digests } = this.#hash;
    const count = this.#closedCheckpoints();
    return count === digests.length ? digests : digests.slice(0, count);
  }

  get verdict(): boolean | undefined {
    return this.#verdict;
  }

  setCompleteBytes(bytes: number): void {
    this.#completeBytes = bytes;
  }

  /** A write begins. @param overlaps another one under way touches the same bytes, and may be the one that the disk keeps */
  arriving(piece: number, offset: number, bytes: Uint8Array, overlaps: boolean): void {
    const { pieceLength, writes } = this.#parts;
    const start = piece * pieceLength;
    if (overlaps || offset < this.#hash.position) {
      this.rewind(start);
      writes.contest(piece);
      return;
    }
    if (offset !== this.#hash.position || writes.contested(piece) || this.#isFarAhead(start)) return;
    this.#hash.update(bytes.length > MAX_HASHED_AT_ONCE ? bytes.subarray(0, MAX_HASHED_AT_ONCE) : bytes);
  }

  /**
   * Hashes what the file holds before `position`, where the next bytes are about to be written: several senders at once leave the hash
   * behind, and it would never again be where bytes arrive if it waited for their pieces to be complete. @throws what reading threw
   */
  catchUp(position: number): void {
    const stop = Math.min(position, this.#hash.position + MAX_HASHED_AT_ONCE);
    if (!this.#canCatchUp(stop)) return;
    const buffer = takeBuffer();
    try {
      do {
        const { position: start } = this.#hash;
        const bytes = buffer.subarray(0, Math.min(stop, this.#heldTo(start), start + READ_LENGTH) - start);
        this.#parts.readNow(bytes, start);
        this.#hash.update(bytes);
      } while (this.#canCatchUp(stop));
    } finally {
      giveBuffer(buffer);
    }
  }

  /** What lies from `position` on is no longer known. */
  rewind(position: number): void {
    // Also where nothing was hashed from there on: it may just be read back.
    this.#epoch++;
    if (this.#hash.position <= position) return;
    this.#hash.rewind(position);
    this.#verdict = undefined;
    this.#announced = Math.min(this.#announced, this.#hash.digests.length);
  }

  /** Hashes to the end of the complete prefix. Calls join. */
  advance(): Promise<void> {
    if (this.#running !== undefined) return this.#running;
    this.#announce();
    if (this.#hash.position < this.#completeBytes) return (this.#running = this.#readBack());
    this.#judge();
    return Promise.resolve();
  }

  /** Ends a run under way early, and resolves when it has. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    try {
      await this.#running;
    } finally {
      this.#isStopped = false;
    }
  }

  async #readBack(): Promise<void> {
    const { pieceLength, writes, read, readNow } = this.#parts;
    const buffer = takeBuffer();
    let isInMemory = true;
    let turnEnd = this.#hash.position + MAX_HASHED_AT_ONCE;
    try {
      // the caller keeps what this returns, which must not be over before
      await Promise.resolve();
      while (this.#hash.position < this.#completeBytes) {
        const { position } = this.#hash;
        const piece = Math.floor(position / pieceLength);
        if (writes.active(piece)) {
          await writes.idle(piece);
          continue;
        }
        if (isInMemory && position >= turnEnd) {
          turnEnd = position + MAX_HASHED_AT_ONCE;
          await nextTurn();
          if (this.#isStopped) return;
          continue;
        }
        const epoch = this.#epoch;
        const end = Math.min(this.#completeBytes, (piece + 1) * pieceLength, position + READ_LENGTH);
        const bytes = buffer.subarray(0, end - position);
        if (isInMemory) {
          const begin = performance.now();
          readNow(bytes, position);
          isInMemory = performance.now() - begin < MAX_READ_NOW_MS;
        } else {
          await read(bytes, position);
          if (this.#isStopped) return;
        }
        if (epoch !== this.#epoch || this.#hash.position !== position) continue;
        this.#hash.update(bytes);
        this.#announce();
      }
      this.#judge();
    } finally {
      // here, not when the promise settles: a piece that completes in between needs a new run
      this.#running = undefined;
      giveBuffer(buffer);
    }
  }

  #canCatchUp(stop: number): boolean {
    const { position } = this.#hash;
    return position < stop && this.#heldTo(position) > position;
  }

  /** End of what the file is known to hold in the piece at `position`. */
  #heldTo(position: number): number {
    const { pieceLength, size, writes } = this.#parts;
    const piece = Math.floor(position / pieceLength);
    const start = piece * pieceLength;
    if (writes.active(piece) || this.#isFarAhead(start)) return position;
    return start < this.#completeBytes ? Math.min(size, start + pieceLength) : writes.writtenTo(piece, start);
  }

  #isFarAhead(position: number): boolean {
    return position > this.#completeBytes + MAX_PIECES_AHEAD * this.#parts.pieceLength;
  }

  #judge(): void {
    const { digest, size } = this.#parts;
    if (this.#verdict === undefined && this.hashedBytes === size) this.#verdict = this.#hash.digests.at(-1)!.equals(digest.bytes());
  }

  #announce(): void {
    const count = this.#closedCheckpoints();
    while (this.#announced < count) {
      const index = this.#announced++;
      this.#parts.onCheckpoint(index, this.#hash.digests[index]!);
    }
  }

  /** Checkpoints whose bytes all lie in complete pieces. */
  #closedCheckpoints(): number {
    const { hashedBytes } = this;
    return hashedBytes === this.#parts.size ? this.#hash.digests.length : Math.floor(hashedBytes / this.checkpointLength);
  }
}
