import { createHash } from 'node:crypto';
import type { Digest } from '../../src/oci/digest.ts';
import type { ByteRange, LaneAnswer, LaneSource, RangeTarget } from '../../src/swarm/lane/lane.ts';

const CHUNK_BYTES = 96 * 1024;

/** Byte `i` of every blob of the tests: any part of it can be made and checked by itself. */
export function patternBytes(range: ByteRange): Buffer {
  const bytes = Buffer.allocUnsafe(range.end - range.start);
  for (let i = 0; i < bytes.length; i++) {
    const at = range.start + i;
    bytes[i] = (at ^ (at >>> 8) ^ (at >>> 16) ^ (at >>> 24)) & 0xff;
  }
  return bytes;
}

async function* patternChunks(range: ByteRange): AsyncGenerator<Buffer, void, undefined> {
  for (let at = range.start; at < range.end; at += CHUNK_BYTES)
    yield await Promise.resolve(patternBytes({ start: at, end: Math.min(range.end, at + CHUNK_BYTES) }));
}

/** What a test's node serves: the pattern of every blob, and whatever the test sets instead. */
export class TestLaneSource implements LaneSource {
  readonly reads: { peerId: string; range: ByteRange }[] = [];
  servedBytes = 0;
  onRead: (blob: Digest, range: ByteRange) => LaneAnswer | undefined | Promise<LaneAnswer | undefined> = (_, range) => ({
    bytes: patternBytes(range),
    note: Buffer.from('pattern'),
  });

  async read(peerId: string, blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> {
    this.reads.push({ peerId, range });
    return await this.onRead(blob, range);
  }

  served(bytes: number): void {
    this.servedBytes += bytes;
  }
}

/** Checks that chunks come in order, and hashes them; a test may hold the writes up. */
export class CollectingTarget implements RangeTarget {
  readonly #range: ByteRange;
  readonly #hash = createHash('sha256');
  received = 0;
  writes = 0;
  /** Awaited before each write is done. */
  gate: ((offset: number) => Promise<void>) | undefined;

  constructor(range: ByteRange) {
    this.#range = range;
  }

  async write(offset: number, chunk: Uint8Array): Promise<void> {
    if (offset !== this.#range.start + this.received)
      throw new Error(`a chunk at ${offset}, expected ${this.#range.start + this.received}`);
    if (offset + chunk.length > this.#range.end) throw new Error(`a chunk at ${offset} ends behind ${this.#range.end}`);
    this.writes += 1;
    await this.gate?.(offset);
    // After the wait: the memory belongs to this call until it is done.
    this.#hash.update(chunk);
    this.received += chunk.length;
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function patternDigest(range: ByteRange): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of patternChunks(range)) hash.update(chunk);
  return hash.digest('hex');
}
