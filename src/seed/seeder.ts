import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CollectedImage, collectImage } from '../copy/collect-image.ts';
import { type BlobCount, copyImage, type CopyReport } from '../copy/copy-image.ts';
import type { ImageSource } from '../copy/image-source.ts';
import { planCopy } from '../copy/plan-copy.ts';
import type { Platform } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/images/image-store.ts';
import { type EngineSourceOptions, findEngineImage, type Identity, type Staging } from './engine-source.ts';
import { ImportedImage, importImage } from './import-image.ts';
import { isPlainLayer, layersOf as layersWithDiffIds } from './image-layers.ts';
import type { KnownImages } from './known-images.ts';
import { layerLookup } from './layer-lookup.ts';
import { seedName } from './seed-name.ts';
import type { SeedOrigin } from './seed-origin.ts';
import { openFileSource } from './source/open-source.ts';
import { parseSource, type SourceName } from './source/source-name.ts';
import { storedImage } from './stored-image.ts';
import { readConfig } from './stored-layers.ts';

export interface SeederOptions {
  readonly blobs: BlobStore;
  readonly images: ImageStore;
  /** @throws `origin-unknown`, `unsupported` when it cannot be pushed to from here */
  readonly origin: () => SeedOrigin;
  /** Another name of the origin, such as a registry that it mirrors. */
  readonly isOwnName: (registry: string) => boolean;
  readonly otherRegistry: EngineSourceOptions['otherRegistry'];
  readonly known: KnownImages;
  readonly openStaging: (repository: string, tag: string) => Promise<Staging>;
  /** Makes an OCI layout of a disk image; @returns what it is to be called */
  readonly convert: (disk: string, folder: string, signal: AbortSignal) => Promise<string | undefined>;
  readonly tempFolder: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface SeedOptions {
  /** What to call it; the source's own name when absent. */
  readonly as?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly platform?: Platform | undefined;
  readonly dockerHost?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: SeedProgress) => void;
}

export type SeedProgress =
  | { readonly kind: 'note'; readonly text: string }
  /** Into the node's own store. */
  | { readonly kind: 'import'; readonly doneBytes: number; readonly totalBytes: number }
  /** To the origin. */
  | { readonly kind: 'push'; readonly doneBytes: number; readonly totalBytes: number };

export interface SeedReport {
  readonly reference: Reference;
  readonly digest: Digest;
  readonly identity: Identity | 'as-is';
  readonly layers: readonly { readonly digest: Digest; readonly size: number; readonly mediaType: string }[];
  /** Of all its blobs and manifests. */
  readonly bytes: number;
  readonly uploaded: BlobCount;
  readonly mounted: BlobCount;
  readonly present: BlobCount;
  readonly tag: CopyReport['tag'];
  readonly dryRun: boolean;
  readonly seconds: number;
}

interface Opened {
  readonly source: ImageSource;
  readonly identity: SeedReport['identity'];
  readonly reference: Reference;
  /** Of an engine's image, there. */
  readonly engineId?: string;
}

/** Brings an image into the origin once, with this node as its first seeder. */
export class Seeder {
  readonly #options: SeederOptions;

  constructor(options: SeederOptions) {
    this.#options = options;
  }

  /** When it resolves, every node of the swarm can pull the image. @throws what source, store and origin throw */
  async seed(text: string, options: SeedOptions): Promise<SeedReport> {
    const started = performance.now();
    const origin = this.#options.origin();
    await using cleanup = new AsyncDisposableStack();
    const { source, identity, reference, engineId } = await this.#open(parseSource(text), origin, options, cleanup);
    const repository = reference.repository;
    const tag = reference.tag!;
    const { image, copied } =
      options.dryRun === true
        ? await this.#compare(source, origin, repository, tag, options.signal)
        : await this.#bring(source, origin, repository, tag, options);
    if (options.dryRun !== true) await this.#remember(image, repository, engineId);
    return {
      reference,
      digest: image.root.digest,
      identity,
      layers: layersOf(image),
      bytes: image.blobs.reduce((sum, { size }) => sum + size, 0) + image.manifests.reduce((sum, { raw }) => sum + raw.bytes.length, 0),
      uploaded: copied.uploaded,
      mounted: copied.mounted,
      present: copied.present,
      tag: copied.tag,
      dryRun: options.dryRun === true,
      seconds: (performance.now() - started) / 1000,
    };
  }

  async #bring(
    source: ImageSource,
    origin: SeedOrigin,
    repository: string,
    tag: string,
    options: SeedOptions,
  ): Promise<{ image: CollectedImage; copied: CopyReport }> {
    const { blobs, images, now } = this.#options;
    const { signal, onProgress } = options;
    const full = `${origin.registryName}/${repository}`;
    const mountFrom = (blob: Digest): string[] =>
      images
        .repositoriesOf(blob)
        .flatMap((name) => (name.startsWith(`${origin.registryName}/`) ? [name.slice(origin.registryName.length + 1)] : []));
    if (origin.embedded) {
      const image = await collectImage(source, await source.root(signal), signal);
      const copied = await copyImage(source, origin.target, {
        repository,
        tag,
        mountFrom,
        signal,
        onProgress: pushProgress(image, onProgress),
      });
      return { image, copied };
    }
    const image = await importImage(source, blobs, { signal, onProgress: (progress) => onProgress({ kind: 'import', ...progress }) });
    const imported = new ImportedImage(image, blobs, source);
    const copied = await copyImage(imported, origin.target, {
      repository,
      tag,
      mountFrom,
      signal,
      onProgress: pushProgress(image, onProgress),
    });
    for (const { raw } of image.manifests) await images.putManifest(full, raw);
    images.setTag(full, tag, image.root.digest, now());
    await images.flush();
    return { image, copied };
  }

  /** So that the same image, and images with the same layers, are the same when they are seeded again. */
  async #remember({ root, manifests }: CollectedImage, repository: string, engineId: string | undefined): Promise<void> {
    const { known, blobs } = this.#options;
    if (engineId !== undefined) known.rememberImage(engineId, root.digest, repository);
    for (const { manifest } of manifests) {
      const config = manifest.kind === 'image' ? await readConfig(blobs, manifest.config.digest) : undefined;
      if (manifest.kind !== 'image' || config === undefined) continue;
      for (const { diffId, layer } of layersWithDiffIds(manifest, config))
        if (isPlainLayer(layer)) known.rememberLayer(diffId, { descriptor: layer, repository });
    }
  }

  async #compare(
    source: ImageSource,
    { target }: SeedOrigin,
    repository: string,
    tag: string,
    signal: AbortSignal,
  ): Promise<{ image: CollectedImage; copied: CopyReport }> {
    const image = await collectImage(source, await source.root(signal), signal);
    const plan = await planCopy(image, target, { repository, tag }, signal);
    const count = (blobs: readonly { size: number }[]): BlobCount => ({
      blobs: blobs.length,
      bytes: blobs.reduce((sum, { size }) => sum + size, 0),
    });
    return {
      image,
      copied: {
        digest: image.root.digest,
        tag: plan.tag.kind,
        manifests: plan.manifests.length,
        uploaded: count(plan.blobs),
        mounted: count([]),
        present: count(plan.present),
        attachments: 0,
      },
    };
  }

  async #open(name: SourceName, origin: SeedOrigin, options: SeedOptions, cleanup: AsyncDisposableStack): Promise<Opened> {
    const { tempFolder, blobs, images } = this.#options;
    const { signal, platform } = options;
    switch (name.kind) {
      case 'docker': {
        const reference = seedName(options.as ?? name.image, origin.registryName);
        // Hundreds of modules that few nodes ever need.
        const { DockerEngine } = await import('../docker/engine.ts');
        const { source, identity, id } = await findEngineImage({
          ...this.#options,
          ...layerLookup(this.#options, origin, signal),
          engine: DockerEngine.at(options.dockerHost),
          image: name.image,
          origin: {
            registry: origin.registry,
            repository: reference.repository,
            tag: reference.tag!,
            isOwnName: (host) => host === origin.registryName || this.#options.isOwnName(host),
          },
          stored: (manifest) => storedImage(images, blobs, manifest),
          onNote: (text) => options.onProgress({ kind: 'note', text }),
        });
        cleanup.defer(() => source.close());
        return { source, identity, reference, engineId: id };
      }
      case 'disk': {
        const folder = await mkdtemp(join(tempFolder, 'disk-'));
        cleanup.defer(() => rm(folder, { recursive: true, force: true }));
        const layout = join(folder, 'layout');
        const suggested = await this.#options.convert(name.path, layout, signal);
        const source = await openFileSource({ kind: 'oci', path: layout }, { tempFolder, signal });
        cleanup.defer(() => source.close());
        return { source, identity: 'as-is', reference: seedName(options.as ?? suggested, origin.registryName) };
      }
      case 'oci':
      case 'oci-archive':
      case 'docker-archive':
      case 'tar': {
        const source = await openFileSource({ kind: name.kind, path: name.path }, { tempFolder, platform, signal });
        cleanup.defer(() => source.close());
        return { source, identity: 'as-is', reference: seedName(options.as ?? source.suggestedName, origin.registryName) };
      }
      default:
        return name satisfies never;
    }
  }
}

function layersOf(image: CollectedImage): SeedReport['layers'] {
  const layers = new Map(
    image.manifests
      .flatMap(({ manifest }) => (manifest.kind === 'image' ? manifest.layers : []))
      .map(({ digest, size, mediaType }) => [digest.toString(), { digest, size, mediaType }]),
  );
  return [...layers.values()];
}

function pushProgress(
  image: CollectedImage,
  tell: SeedOptions['onProgress'],
): (progress: { blob: { digest: Digest }; bytes: number }) => void {
  const totalBytes = image.blobs.reduce((sum, { size }) => sum + size, 0);
  const done = new Map<string, number>();
  return ({ blob, bytes }) => {
    done.set(blob.digest.toString(), bytes);
    tell({ kind: 'push', doneBytes: [...done.values()].reduce((sum, count) => sum + count, 0), totalBytes });
  };
}
