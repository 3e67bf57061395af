import { createHash, type Hash } from 'node:crypto';
import type { DigestAlgorithm } from '../../oci/digest.ts';

const KIB = 1024;
const MIN_CHECKPOINT_LENGTH = 64 * KIB;
const MAX_USUAL_CHECKPOINT_LENGTH = 1024 * KIB;
const USUAL_CHECKPOINTS = 64;
/** Entries of one list: half a MiB of sha256 digests. */
export const MAX_CHECKPOINTS = 16_384;

/**
 * Bytes between two checkpoints of a blob. A function of its size alone, so that the lists of any two nodes can be compared: the
 * smallest power of two from 64 KiB that gives at most 64 checkpoints, 1 MiB from 64 MiB on, and more beyond 16 GiB, where
 * a list would otherwise have over 16,384 entries.
 */
export function checkpointLengthFor(size: number): number {
  let length = MIN_CHECKPOINT_LENGTH;
  while (length < MAX_USUAL_CHECKPOINT_LENGTH && size > length * USUAL_CHECKPOINTS) length *= 2;
  while (size > length * MAX_CHECKPOINTS) length *= 2;
  return length;
}

/** Entries of a list: an empty blob has one, its own digest. */
export function checkpointCount(size: number, checkpointLength: number): number {
  return Math.max(1, Math.ceil(size / checkpointLength));
}

interface State {
  readonly position: number;
  readonly hash: Hash;
}

/**
 * One native hash over a blob in order, that notes the digest of the prefix at every checkpoint and can go back to an earlier
 * position. With a size unknown the checkpoint length grows while it goes, and ends as `checkpointLengthFor` has it.
 */
export class PrefixHash {
  readonly #size: number | undefined;
  #hash: Hash;
  #position = 0;
  #checkpointLength: number;
  #digests: Buffer[] = [];
  /** Ascending; close together near the position, and farther apart the farther back. */
  #states: State[];

  constructor(algorithm: DigestAlgorithm, size?: number) {
    this.#size = size;
    this.#checkpointLength = checkpointLengthFor(size ?? 0);
    this.#hash = createHash(algorithm);
    this.#states = [{ position: 0, hash: this.#hash.copy() }];
    this.#endWhenWhole();
  }

  /** Bytes hashed. */
  get position(): number {
    return this.#position;
  }

  get checkpointLength(): number {
    return this.#checkpointLength;
  }

  /** Prefix digests up to `position`; the last is the blob's own once it is whole. */
  get digests(): readonly Buffer[] {
    return this.#digests;
  }

  update(bytes: Uint8Array): void {
    let start = 0;
    while (start < bytes.length) {
      if (this.#size === undefined) this.#grow();
      const boundary = (this.#digests.length + 1) * this.#checkpointLength;
      const end = Math.min(bytes.length, start + boundary - this.#position);
      this.#hash.update(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
      this.#position += end - start;
      start = end;
      if (this.#position === boundary) this.#checkpoint();
      else this.#endWhenWhole();
    }
  }

  /** Ends a blob whose size was unknown, and gives its digest. */
  finish(): Buffer {
    if (this.#digests.length < checkpointCount(this.#position, this.#checkpointLength)) this.#digests.push(this.#hash.copy().digest());
    return this.#digests.at(-1)!;
  }

  /**
   * Goes back to a state at or before `position`; what lies between must be hashed again. That is less than the way back from
   * here to `position`, and one checkpoint.
   */
  rewind(position: number): void {
    if (position >= this.#position) return;
    while (this.#states.at(-1)!.position > position) this.#states.pop();
    const state = this.#states.at(-1)!;
    this.#hash = state.hash.copy();
    this.#position = state.position;
    this.#digests.length = Math.floor(state.position / this.#checkpointLength);
  }

  #checkpoint(): void {
    this.#digests.push(this.#hash.copy().digest());
    if (this.#size !== undefined) this.#keepState();
  }

  /** More bytes follow: keeps every second digest where a blob of that length has its checkpoints farther apart. */
  #grow(): void {
    while (checkpointLengthFor(this.#position + 1) > this.#checkpointLength) {
      this.#digests = this.#digests.filter((_, index) => index % 2 === 1);
      this.#checkpointLength *= 2;
    }
  }

  /** A checkpoint whose number is divisible by 2^k is kept for 4 * 2^k checkpoints: some four for each k, a few hundred bytes each. */
  #keepState(): void {
    this.#states.push({ position: this.#position, hash: this.#hash.copy() });
    this.#states = this.#states.filter(({ position }) => {
      const number = position / this.#checkpointLength;
      return number === 0 || this.#digests.length - number < 4 * (number & -number);
    });
  }

  #endWhenWhole(): void {
    if (this.#position === this.#size && this.#digests.length < checkpointCount(this.#size, this.#checkpointLength)) {
      this.#digests.push(this.#hash.copy().digest());
    }
  }
}
