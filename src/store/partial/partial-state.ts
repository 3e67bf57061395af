import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.ts';
import { Grade } from '../blob-store.ts';
import { isMissing } from '../store-error.ts';

/** Pieces that one blob may have; the swarm keeps well below it. */
export const MAX_PIECES = 65_536;

const MAGIC = 'layerswarm partial 1';
const HEADER_LENGTH = 512;
const CHECKSUM_LENGTH = 32;
/** Place of the second slot, beyond the longest first one; the gap is a hole in the file. */
const SLOT_SPACING = 128 * 1024;

export interface PartialState {
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  /** One `Grade` a piece. */
  readonly grades: Uint8Array;
}

/**
 * The grades of an unfinished blob on disk: two slots, written in turn, each with a sequence number and a checksum, so that a
 * write that was cut off leaves the other one. The caller syncs the pieces' bytes before it saves their grades.
 *
 * Slot: 512 bytes of header (JSON, padded with spaces), one byte a piece, SHA-256 of all before.
 */
export class PartialStateFile {
  readonly #path: string;
  /** Made with the first save: most small blobs are complete before. */
  #file: FileHandle | undefined;
  #sequence: number;

  private constructor(path: string, file: FileHandle | undefined, sequence: number) {
    this.#path = path;
    this.#file = file;
    this.#sequence = sequence;
  }

  /** `state` is undefined when there is no file, or no slot in it that can be believed. */
  static async open(path: string, digest: Digest): Promise<{ file: PartialStateFile; state: PartialState | undefined }> {
    const handle = await openExisting(path, 'r+');
    try {
      const slot = handle === undefined ? undefined : newestSlot(await readSlots(handle), digest);
      return { file: new PartialStateFile(path, handle, slot?.sequence ?? 0), state: slot?.state };
    } catch (error) {
      await handle?.close();
      throw error;
    }
  }

  /** @param durable waits until it is on the disk: needed when grades go down, else an old slot could be believed again */
  async save(state: PartialState, durable: boolean): Promise<void> {
    this.#file ??= await open(this.#path, 'w+', 0o600);
    const sequence = this.#sequence + 1;
    const slot = encodeSlot(state, sequence);
    await this.#file.write(slot, 0, slot.length, (sequence % 2) * SLOT_SPACING);
    this.#sequence = sequence;
    if (durable) await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

async function openExisting(path: string, flags: 'r' | 'r+'): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Reads the state without keeping the file open. */
export async function readPartialState(path: string, digest: Digest): Promise<PartialState | undefined> {
  const handle = await openExisting(path, 'r');
  if (handle === undefined) return undefined;
  try {
    return newestSlot(await readSlots(handle), digest)?.state;
  } finally {
    await handle.close();
  }
}

function encodeSlot(state: PartialState, sequence: number): Buffer {
  const slot = Buffer.alloc(HEADER_LENGTH + state.grades.length + CHECKSUM_LENGTH);
  const header = JSON.stringify({ magic: MAGIC, sequence, digest: state.digest, size: state.size, pieceLength: state.pieceLength });
  slot.write(header.padEnd(HEADER_LENGTH, ' '), 'latin1');
  slot.set(state.grades, HEADER_LENGTH);
  const end = HEADER_LENGTH + state.grades.length;
  createHash('sha256').update(slot.subarray(0, end)).digest().copy(slot, end);
  return slot;
}

async function readSlots(handle: FileHandle): Promise<Buffer[]> {
  const slots: Buffer[] = [];
  for (const offset of [0, SLOT_SPACING]) {
    const bytes = Buffer.alloc(SLOT_SPACING);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    slots.push(bytes.subarray(0, bytesRead));
  }
  return slots;
}

interface Slot {
  readonly sequence: number;
  readonly state: PartialState;
}

function newestSlot(slots: Buffer[], digest: Digest): Slot | undefined {
  return slots
    .map((bytes) => decodeSlot(bytes, digest))
    .filter((slot) => slot !== undefined)
    .sort((a, b) => b.sequence - a.sequence)[0];
}

function decodeSlot(bytes: Buffer, digest: Digest): Slot | undefined {
  const header = parseHeader(bytes.subarray(0, HEADER_LENGTH).toString('latin1'));
  if (header === undefined || header.digest !== digest.toString()) return undefined;
  const end = HEADER_LENGTH + pieceCountOf(header.size, header.pieceLength);
  if (end - HEADER_LENGTH > MAX_PIECES || end + CHECKSUM_LENGTH > bytes.length) return undefined;
  const checksum = createHash('sha256').update(bytes.subarray(0, end)).digest();
  if (!checksum.equals(bytes.subarray(end, end + CHECKSUM_LENGTH))) return undefined;
  const grades = Uint8Array.from(bytes.subarray(HEADER_LENGTH, end));
  if (grades.some((grade) => grade > Grade.proven)) return undefined;
  return { sequence: header.sequence, state: { digest, size: header.size, pieceLength: header.pieceLength, grades } };
}

export function pieceCountOf(size: number, pieceLength: number): number {
  return Math.ceil(size / pieceLength);
}

interface Header {
  sequence: number;
  digest: string;
  size: number;
  pieceLength: number;
}

function parseHeader(text: string): Header | undefined {
  if (!text.startsWith('{')) return undefined;
  let parsed: Partial<Record<string, unknown>>;
  try {
    parsed = JSON.parse(text) as Partial<Record<string, unknown>>;
  } catch {
    return undefined; // cut off, or not a header at all
  }
  const { magic, sequence, digest, size, pieceLength } = parsed;
  if (magic !== MAGIC || typeof digest !== 'string') return undefined;
  if (!isCount(sequence) || !isCount(size) || !isCount(pieceLength) || pieceLength === 0) return undefined;
  return { sequence, digest, size, pieceLength };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
