import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { Digest, type DigestAlgorithm } from '../../../src/oci/digest.ts';
import type { BlobStore } from '../../../src/store/blob-store.ts';

export function sample(size: number, algorithm: DigestAlgorithm = 'sha256'): { bytes: Buffer; digest: Digest } {
  const bytes = Buffer.alloc(size);
  // xorshift32: the same bytes for the same size, and no two alike pieces
  let state = size + 1;
  for (let index = 0; index < size; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return { bytes, digest: Digest.of(bytes, algorithm) };
}

export async function* chunks(bytes: Buffer, length = 65_536): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
}

export async function readAll(store: Pick<BlobStore, 'open'>, digest: Digest): Promise<Buffer> {
  const reader = await store.open(digest);
  try {
    return await concat(reader.stream());
  } finally {
    await reader.close();
  }
}

export async function concat(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export function prefixDigest(bytes: Buffer, length: number, algorithm: DigestAlgorithm = 'sha256'): Buffer {
  return createHash(algorithm).update(bytes.subarray(0, length)).digest();
}

export function assertCheckpoints(t: ExecutionContext, bytes: Buffer, checkpoints: Awaited<ReturnType<BlobStore['checkpoints']>>): void {
  const { size, checkpointLength, digests } = checkpoints!;
  t.is(size, bytes.length);
  t.is(digests.length, Math.max(1, Math.ceil(size / checkpointLength)), `${size} bytes`);
  for (const [index, digest] of digests.entries())
    t.true(digest.equals(prefixDigest(bytes, (index + 1) * checkpointLength)), `${index} of ${size} bytes`);
}
