import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobCatalog } from '../blobs/blob-catalog.ts';
import type { BlobReader } from '../blob-store.ts';
import type { DiskBlobStore } from '../blobs/disk-blob-store.ts';
import { PrefixHash } from '../partial/prefix-hash.ts';

export interface VerifyOptions {
  /** All blobs by default. */
  readonly digests?: readonly Digest[];
  /** Leaves what is corrupt where it is. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface VerifyResult {
  readonly digest: Digest;
  readonly size: number;
  /** `corrupt`: its bytes have another digest; it is in the quarantine now. `missing`: the file is gone. */
  readonly state: 'ok' | 'corrupt' | 'missing';
  /** It was held as embedded origin, which whoever brings it back has to say again. */
  readonly origin: boolean;
}

/**
 * Reads every byte of the blobs again. What is not `ok` is no longer in the store when it is reported (but for a dry run). A blob that goes away
 * meanwhile (evicted, deleted) is not reported.
 */
export async function* verifyBlobs(
  blobs: DiskBlobStore,
  catalog: BlobCatalog,
  options: VerifyOptions,
): AsyncGenerator<VerifyResult, void, undefined> {
  const digests = options.digests ?? [...blobs.list()].map(({ digest }) => digest);
  for (const digest of digests) {
    const record = catalog.get(digest);
    if (record === undefined) continue;
    const { size, origin } = record;
    let reader: BlobReader;
    try {
      reader = await blobs.open(digest, { unchecked: true });
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error;
      yield { digest, size, state: 'missing', origin };
      continue;
    }
    const hash = new PrefixHash(digest.algorithm);
    let isOk: boolean;
    try {
      isOk = (await hashAll(reader, hash, options.signal)) && hash.finish().equals(digest.bytes());
    } finally {
      await reader.close();
    }
    if (!isOk) {
      if (options.dryRun !== true) await blobs.quarantine(digest);
    } else if (catalog.get(digest) === record && catalog.checkpoints(record) === undefined) {
      catalog.setCheckpoints(digest, { size, checkpointLength: hash.checkpointLength, digests: hash.digests });
    }
    yield { digest, size, state: isOk ? 'ok' : 'corrupt', origin };
  }
}

/** False when the file has another length, or the disk cannot read it. */
async function hashAll(reader: BlobReader, hash: PrefixHash, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    for await (const chunk of reader.stream(0, reader.size, { reuse: true })) {
      if (signal?.aborted === true) throw new LayerswarmError('aborted', 'the verification was aborted', { cause: signal.reason });
      hash.update(chunk);
    }
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'size-mismatch' || code === 'store-unwritable') return false;
    throw error;
  }
}
