import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isForeign, parseManifest } from '../oci/manifest.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { ImageStatus } from '../status/status-document.ts';

const MAX_IMAGES = 1000;
const MAX_KNOWN = 4000;

/** What an image needs; for an index, what each of its images that are here needs. */
type Needs = readonly (readonly Descriptor[])[];

/** The tagged images of this node. Answers from memory; manifests are read in the background, once each, since they never change. */
export class ImageList {
  readonly #images: ImageStore;
  readonly #blobs: Pick<BlobStore, 'size'>;
  readonly #needs = new Map<string, Needs>();
  readonly #reading = new Set<string>();

  constructor(images: ImageStore, blobs: Pick<BlobStore, 'size'>) {
    this.#images = images;
    this.#blobs = blobs;
  }

  list(): ImageStatus[] {
    const listed: ImageStatus[] = [];
    for (const repository of this.#images.repositories()) {
      for (const tag of this.#images.tags(repository)) {
        const digest = this.#images.tag(repository, tag)?.digest;
        if (digest !== undefined) listed.push({ reference: `${repository}:${tag}`, digest: digest.toString(), ...this.#state(repository, digest) });
        if (listed.length >= MAX_IMAGES) return listed;
      }
    }
    return listed;
  }

  #state(repository: string, digest: Digest): Pick<ImageStatus, 'sizeBytes' | 'complete'> {
    const needs = this.#needs.get(digest.toString());
    if (needs === undefined) void this.#read(repository, digest);
    const images = (needs ?? []).map((blobs) => ({
      bytes: blobs.reduce((sum, { size }) => sum + size, 0),
      complete: blobs.every((blob) => this.#blobs.size(blob.digest) !== undefined),
    }));
    // An index is here when one of its images is: nobody pulls all platforms.
    return { sizeBytes: images.reduce((sum, { bytes }) => sum + bytes, 0), complete: images.some(({ complete }) => complete) };
  }

  async #read(repository: string, digest: Digest): Promise<void> {
    const key = digest.toString();
    if (this.#reading.has(key)) return;
    this.#reading.add(key);
    try {
      const { needs, final } = await this.#find(repository, digest);
      if (this.#needs.size >= MAX_KNOWN) this.#needs.clear();
      if (final) this.#needs.set(key, needs);
    } catch {
      // A manifest that cannot be read now is read when the list is asked for again.
    } finally {
      this.#reading.delete(key);
    }
  }

  async #find(repository: string, digest: Digest): Promise<{ needs: Needs; final: boolean }> {
    const raw = await this.#images.manifest(repository, digest);
    if (raw === undefined) return { needs: [], final: false };
    const manifest = parseManifest(raw.bytes, raw.mediaType);
    if (manifest.kind === 'image') return { needs: [[manifest.config, ...manifest.layers.filter((layer) => !isForeign(layer))]], final: true };
    const children = await Promise.all(manifest.manifests.map((child) => this.#find(repository, child.digest)));
    const present = children.flatMap(({ needs }) => needs);
    return { needs: present, final: present.length > 0 };
  }
}
