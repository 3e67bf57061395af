import type { Digest } from '../../src/oci/digest.ts';
import { linkedDescriptors, parseManifest, type RawManifest } from '../../src/oci/manifest.ts';
import type { ImageStore, TagRecord } from '../../src/store/image-store.ts';

interface Repository {
  readonly manifests: Map<string, RawManifest>;
  /** Digests of manifests, and of what they link or what was pushed. */
  readonly links: Map<string, Digest>;
  readonly tags: Map<string, TagRecord>;
}

/** `ImageStore` without a disk, for tests of what stands above it. */
export class MemoryImageStore implements ImageStore {
  readonly #repositories = new Map<string, Repository>();
  readonly #pins = new Set<string>();

  async putManifest(repository: string, manifest: RawManifest): Promise<void> {
    const { manifests, links } = this.#repository(repository);
    manifests.set(manifest.digest.toString(), manifest);
    const { blobs, children } = linkedDescriptors(parseManifest(manifest.bytes, manifest.mediaType));
    for (const { digest } of [manifest, ...blobs, ...children]) links.set(digest.toString(), digest);
  }

  async manifest(repository: string, digest: Digest): Promise<RawManifest | undefined> {
    return this.#repositories.get(repository)?.manifests.get(digest.toString());
  }

  async anyManifest(digest: Digest): Promise<RawManifest | undefined> {
    return [...this.#repositories.values()].find(({ manifests }) => manifests.has(digest.toString()))?.manifests.get(digest.toString());
  }

  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const found = this.#repositories.get(repository);
    if (found === undefined || !found.manifests.delete(digest.toString())) return false;
    found.links.delete(digest.toString());
    for (const [tag, record] of found.tags) if (record.digest.equals(digest)) found.tags.delete(tag);
    return true;
  }

  isLinked(repository: string, blob: Digest): boolean {
    return this.#repositories.get(repository)?.links.has(blob.toString()) ?? false;
  }

  link(repository: string, blob: Digest): void {
    this.#repository(repository).links.set(blob.toString(), blob);
  }

  unlink(repository: string, blob: Digest): boolean {
    return this.#repositories.get(repository)?.links.delete(blob.toString()) ?? false;
  }

  repositoriesOf(blob: Digest): string[] {
    return [...this.#repositories].filter(([, { links }]) => links.has(blob.toString())).map(([name]) => name);
  }

  repositories(): string[] {
    return [...this.#repositories.keys()].sort();
  }

  tag(repository: string, tag: string): TagRecord | undefined {
    return this.#repositories.get(repository)?.tags.get(tag);
  }

  setTag(repository: string, tag: string, digest: Digest, checkedAt: number): void {
    this.#repository(repository).tags.set(tag, { digest, checkedAt });
  }

  deleteTag(repository: string, tag: string): boolean {
    return this.#repositories.get(repository)?.tags.delete(tag) ?? false;
  }

  tags(repository: string): string[] {
    return [...this.#repositories.get(repository)?.tags.keys() ?? []].sort();
  }

  async referrers(repository: string, subject: Digest): Promise<RawManifest[]> {
    const manifests = [...this.#repositories.get(repository)?.manifests.values() ?? []];
    return manifests.filter((raw) => parseManifest(raw.bytes, raw.mediaType).subject?.digest.equals(subject));
  }

  pin(reference: string): void {
    this.#pins.add(reference);
  }

  unpin(reference: string): boolean {
    return this.#pins.delete(reference);
  }

  pins(): string[] {
    return [...this.#pins];
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  #repository(name: string): Repository {
    let found = this.#repositories.get(name);
    if (found === undefined) {
      found = { manifests: new Map(), links: new Map(), tags: new Map() };
      this.#repositories.set(name, found);
    }
    return found;
  }
}
