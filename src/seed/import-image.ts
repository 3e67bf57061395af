import { type CollectedImage, collectImage } from '../copy/collect-image.ts';
import type { Attachments, ImageSource } from '../copy/image-source.ts';
import { inParallel } from '../async/in-parallel.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import type { BlobStore } from '../store/blob-store.ts';

const BLOBS_AT_ONCE = 2;

export interface ImportProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Brings every blob of an image into the node's own store, each with its digest and size checked while it is written; what is
 * here already is not read again. @throws `digest-mismatch`, `size-mismatch`, `manifest-invalid`, `disk-full`, and what the source throws
 */
export async function importImage(
  source: ImageSource,
  blobs: Pick<BlobStore, 'size' | 'write'>,
  options: { root?: RawManifest; signal?: AbortSignal | undefined; onProgress?: (progress: ImportProgress) => void } = {},
): Promise<CollectedImage> {
  const { signal, onProgress } = options;
  const image = await collectImage(source, options.root ?? (await source.root(signal)), signal);
  const totalBytes = image.blobs.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  await inParallel(BLOBS_AT_ONCE, image.blobs, async (blob) => {
    const { digest, size } = blob;
    if (blobs.size(digest) === undefined) {
      await blobs.write(
        counted(source.blob(blob, signal), (bytes) => {
          doneBytes += bytes;
          onProgress?.({ doneBytes, totalBytes });
        }),
        { expected: digest, expectedSize: size, maxBytes: size, ...(signal === undefined ? {} : { signal }) },
      );
    } else {
      doneBytes += size;
      onProgress?.({ doneBytes, totalBytes });
    }
  });
  return image;
}

async function* counted(bytes: AsyncIterable<Uint8Array>, tell: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of bytes) {
    tell(chunk.length);
    yield chunk;
  }
}

/** An image whose manifests are known and whose blobs are in the store, else where it came from. */
export class ImportedImage implements ImageSource {
  readonly name: string;
  readonly attachments?: Attachments;
  readonly #image: CollectedImage;
  readonly #blobs: Pick<BlobStore, 'size' | 'open'>;
  readonly #source: ImageSource;

  constructor(image: CollectedImage, blobs: Pick<BlobStore, 'size' | 'open'>, source: ImageSource) {
    this.name = source.name;
    if (source.attachments !== undefined) this.attachments = source.attachments;
    this.#image = image;
    this.#blobs = blobs;
    this.#source = source;
  }

  root(): Promise<RawManifest> {
    return Promise.resolve(this.#image.root);
  }

  async manifest(digest: Digest, signal?: AbortSignal): Promise<RawManifest> {
    return this.#image.manifests.find(({ raw }) => raw.digest.equals(digest))?.raw ?? this.#source.manifest(digest, signal);
  }

  blob(blob: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readEither(this.#blobs, blob, () => this.#source.blob(blob, signal), signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** From the store; a store that is nearly full may have let it go already, then from elsewhere. */
export async function* readEither(
  blobs: Pick<BlobStore, 'size' | 'open'>,
  { digest }: Descriptor,
  elsewhere: () => AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (blobs.size(digest) === undefined) {
    yield* elsewhere();
    return;
  }
  const reader = await blobs.open(digest);
  try {
    for await (const chunk of reader.stream()) {
      signal?.throwIfAborted();
      yield chunk;
    }
  } finally {
    await reader.close();
  }
}
