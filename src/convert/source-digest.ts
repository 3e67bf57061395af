import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Digest } from '../oci/digest.ts';

/** The digest of a disk image's file, as it lies there. */
export async function fileDigest(file: string, signal: AbortSignal | undefined): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024, ...(signal && { signal }) }) as AsyncIterable<Buffer>)
    hash.update(chunk);
  return Digest.fromHash(hash);
}
