import { BoundedMap } from '../../bounded-map.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isForeign, readManifest } from '../../oci/manifest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { ImageStatus } from '../../status/status-document.ts';

const MAX_IMAGES = 1000;
const MAX_KNOWN = 4000;

/** What an image needs; for an index, what each of its images that are here needs. */
type Needs = readonly (readonly Descriptor[])[];

interface Known {
  readonly needs: Needs;
  /** Manifests below an index that were not here when it was read. */
  readonly absent: readonly Digest[];
}

/** The tagged images of this node. Answers from memory; manifests are read in the background, once each, since they never change, and an index again when more of its images are here. */
export class ImageList {
  readonly #images: ImageStore;
  readonly #blobs: Pick<BlobStore, 'size'>;
  readonly #known = new BoundedMap<string, Known>(MAX_KNOWN);
  readonly #reading = new Map<string, Promise<void>>();

  constructor(images: ImageStore, blobs: Pick<BlobStore, 'size'>) {
    this.#images = images;
    this.#blobs = blobs;
  }

  list(): ImageStatus[] {
    const listed: ImageStatus[] = [];
    for (const repository of this.#images.repositories()) {
      for (const tag of this.#images.tags(repository)) {
        const digest = this.#images.tag(repository, tag)?.digest;
        if (digest !== undefined)
          listed.push({ reference: `${repository}:${tag}`, digest: digest.toString(), ...this.#state(repository, digest) });
        if (listed.length >= MAX_IMAGES) return listed;
      }
    }
    return listed;
  }

  /** Resolves when `list` tells of every image what is here of it now. Never throws. */
  async settled(): Promise<void> {
    this.list();
    await Promise.all(this.#reading.values());
  }

  #state(repository: string, digest: Digest): Pick<ImageStatus, 'sizeBytes' | 'complete'> {
    const known = this.#known.get(digest.toString());
    if (known === undefined || known.absent.some((child) => this.#images.isManifest(child) && this.#images.isLinked(repository, child)))
      this.#read(repository, digest);
    const images = (known?.needs ?? []).map((blobs) => ({
      bytes: blobs.reduce((sum, { size }) => sum + size, 0),
      complete: blobs.every((blob) => this.#blobs.size(blob.digest) !== undefined),
    }));
    // An index is here when one of its images is: nobody pulls all platforms.
    return { sizeBytes: images.reduce((sum, { bytes }) => sum + bytes, 0), complete: images.some(({ complete }) => complete) };
  }

  #read(repository: string, digest: Digest): void {
    const key = digest.toString();
    if (this.#reading.has(key)) return;
    this.#reading.set(
      key,
      this.#readNow(repository, digest).finally(() => this.#reading.delete(key)),
    );
  }

  async #readNow(repository: string, digest: Digest): Promise<void> {
    try {
      const known = await this.#find(repository, digest);
      if (known !== undefined) this.#known.set(digest.toString(), known);
    } catch {
      // A manifest that cannot be read now is read when the list is asked for again.
    }
  }

  /** Undefined while the manifest is not here. */
  async #find(repository: string, digest: Digest): Promise<Known | undefined> {
    const raw = await this.#images.manifest(repository, digest);
    if (raw === undefined) return undefined;
    const manifest = readManifest(raw.bytes, raw.mediaType);
    if (manifest.kind === 'opaque') return { needs: [[]], absent: [] };
    if (manifest.kind === 'image')
      return { needs: [[manifest.config, ...manifest.layers.filter((layer) => !isForeign(layer))]], absent: [] };
    const children = await Promise.all(
      manifest.manifests.map(async ({ digest }) => ({ digest, known: await this.#find(repository, digest) })),
    );
    return {
      needs: children.flatMap(({ known }) => known?.needs ?? []),
      absent: children.flatMap(({ digest, known }) => known?.absent ?? [digest]),
    };
  }
}
