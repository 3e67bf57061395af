import { pipe } from 'it-pipe';
import { errorCode } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import type { ByteRate } from '../origin/budget.ts';
import type { CopyTarget } from './copy-target.ts';
import type { ImageSource } from './image-source.ts';
import type { ConflictPolicy } from './plan-copy.ts';

export interface CopyOptions {
  /** At the target. */
  readonly repository: string;
  /** At the target; without one the image is copied by its digest. */
  readonly tag?: string | undefined;
  readonly conflict?: ConflictPolicy | undefined;
  /** Where else at the target a blob may be, to be mounted from. */
  readonly mountFrom?: ((blob: Digest) => Iterable<string>) | undefined;
  /** Copies what refers to the image as well; true unless given. */
  readonly attachments?: boolean | undefined;
  /** Stands for the source's own root, e.g. one platform of it. */
  readonly root?: RawManifest | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CopyProgress {
  readonly blob: Descriptor;
  readonly state: 'present' | 'mounted' | 'uploading' | 'uploaded';
  /** Bytes passed on of this blob, in this try. */
  readonly bytes: number;
}

/** HEAD, mount, upload: the first that does. Alone for each blob, so that a second copy finds what the first brought. */
export function copyBlob(
  source: ImageSource,
  target: CopyTarget,
  blob: Descriptor,
  options: CopyOptions,
): Promise<'present' | 'mounted' | 'uploaded'> {
  const { repository, signal, onProgress } = options;
  const { digest } = blob;
  return target.alone(digest, async () => {
    signal?.throwIfAborted();
    if (await target.writer.blobExists(repository, digest, signal)) {
      onProgress?.({ blob, state: 'present', bytes: blob.size });
      return 'present';
    }
    for (const from of target.places(digest, repository, options.mountFrom?.(digest) ?? [])) {
      if (!(await mounted(target, repository, digest, from, signal))) continue;
      target.placed(digest, repository);
      onProgress?.({ blob, state: 'mounted', bytes: blob.size });
      return 'mounted';
    }
    await target.writer.uploadBlob(
      repository,
      blob,
      () =>
        pipe(
          source.blob(blob, signal),
          (bytes) => atRate(bytes, target.rate, signal),
          (bytes) => counted(bytes, (sent) => onProgress?.({ blob, state: 'uploading', bytes: sent })),
        ),
      signal,
    );
    target.placed(digest, repository);
    onProgress?.({ blob, state: 'uploaded', bytes: blob.size });
    return 'uploaded';
  });
}

async function mounted(
  target: CopyTarget,
  repository: string,
  digest: Digest,
  from: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    return await target.writer.mountBlob(repository, digest, from, signal);
  } catch (error) {
    // a mount that is not allowed or not understood is one that did not happen
    if (['not-found', 'origin-denied', 'origin-unauthorized', 'unsupported', 'name-invalid'].includes(errorCode(error))) return false;
    throw error;
  }
}

async function* atRate(
  bytes: AsyncIterable<Uint8Array>,
  rate: ByteRate | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of bytes) {
    await rate?.take(chunk.length, signal);
    yield chunk;
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, tell: (total: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    tell(total);
    yield chunk;
  }
}
