import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ImageSource } from '../copy/image-source.ts';
import { RegistryImage, type SourceRegistry } from '../copy/registry-image.ts';
import type { DockerEngine, EngineImage } from '../docker/engine.ts';
import { errorCode, LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type RawManifest } from '../oci/manifest.ts';
import { Reference } from '../oci/reference.ts';
import type { KnownImages } from './known-images.ts';
import { type LayerLookup, withKnownLayers } from './known-layers.ts';
import { openFileSource } from './source/open-source.ts';

/** How the digests of an engine's image were found, the surest way first. */
export type Identity = 'origin' | 'registry' | 'seeded-before' | 'engine' | 'saved';

export interface FoundImage {
  readonly source: ImageSource;
  readonly identity: Identity;
}

export interface FoundEngineImage extends FoundImage {
  /** Of the engine. */
  readonly id: string;
}

/** A place on this host where an engine can push to; what it pushed is in the store then. */
export interface Staging {
  /** `127.0.0.1:port/name`, and a tag. */
  readonly name: { readonly repository: string; readonly tag: string };
  /** What was pushed. @throws `not-found` */
  image(): Promise<ImageSource>;
  close(): Promise<void>;
}

export interface EngineSourceOptions extends LayerLookup {
  readonly engine: DockerEngine;
  readonly image: string;
  readonly tempFolder: string;
  /** The swarm's own origin, and what the image is to be called there. */
  readonly origin: {
    readonly registry: SourceRegistry;
    readonly repository: string;
    readonly tag: string;
    isOwnName(registry: string): boolean;
  };
  /** A client of another registry. @throws `config-invalid` */
  readonly otherRegistry: (host: string) => SourceRegistry & { close(): Promise<void> };
  readonly known: Pick<KnownImages, 'seeded'>;
  /** An image that is whole in the store. */
  readonly stored: (manifest: Digest) => Promise<ImageSource | undefined>;
  readonly openStaging: (repository: string, tag: string) => Promise<Staging>;
  readonly onNote: (line: string) => void;
}

/**
 * An image of a Docker Engine under the digests that it has or is to have. An engine with a graph driver keeps no registry bytes,
 * and no compressor reproduces another's, so each way is tried before the next: what the origin has of it already, the registry
 * that it came from, what it was seeded as before, the engine's own push, and what the engine saves, uncompressed. Of the last two
 * those layers are left out whose content the origin has already, compressed by whomever.
 */
export async function findEngineImage(options: EngineSourceOptions): Promise<FoundEngineImage> {
  const inspected = await options.engine.inspect(options.image, options.signal);
  const found =
    (await fromOrigin(options, inspected)) ?? (await fromRegistries(options, inspected)) ?? (await fromBefore(options, inspected));
  return { ...(found ?? (await fromEngine(options))), id: inspected.id };
}

/** The image as it was seeded, from this node or from where the origin has it. */
async function fromBefore({ known, origin, stored, signal }: EngineSourceOptions, image: EngineImage): Promise<FoundImage | undefined> {
  const seeded = known.seeded(image.id);
  if (seeded === undefined) return undefined;
  const here = await stored(seeded.manifest);
  if (here !== undefined) return { source: here, identity: 'seeded-before' };
  const { manifest, repository } = seeded;
  try {
    if (await isSame(origin.registry, repository, manifest, image, signal))
      return { source: new RegistryImage({ registry: origin.registry, repository, reference: manifest }), identity: 'seeded-before' };
  } catch (error) {
    if (errorCode(error) !== 'not-found') throw error;
  }
  return undefined;
}

async function fromEngine(options: EngineSourceOptions): Promise<FoundImage> {
  const { engine, image, onNote } = options;
  let found = engine.isLocal ? await fromPush(options) : undefined;
  if (found === undefined) {
    onNote(`${image} is taken as the engine saves it, with uncompressed layers`);
    found = { source: await fromSave(options), identity: 'saved' };
  }
  try {
    return { ...found, source: await withKnownLayers(found.source, options) };
  } catch (error) {
    await found.source.close();
    throw error;
  }
}

/** The tag at the origin is this image already: then it keeps the digest that it has there. */
async function fromOrigin({ origin, signal }: EngineSourceOptions, image: EngineImage): Promise<FoundImage | undefined> {
  const { registry, repository, tag } = origin;
  try {
    const digest = await registry.resolveTag(repository, tag, signal);
    if (await isSame(registry, repository, digest, image, signal))
      return { source: new RegistryImage({ registry, repository, reference: digest }), identity: 'origin' };
  } catch (error) {
    if (errorCode(error) !== 'not-found') throw error;
  }
  return undefined;
}

async function fromRegistries(
  { origin, otherRegistry, onNote, signal }: EngineSourceOptions,
  image: EngineImage,
): Promise<FoundImage | undefined> {
  for (const text of image.repoDigests) {
    const { registry: host, repository, digest } = Reference.parse(text);
    if (digest === undefined) continue;
    const own = origin.isOwnName(host);
    const other = own ? undefined : otherRegistry(host);
    const registry = other ?? origin.registry;
    try {
      if (await isSame(registry, repository, digest, image, signal)) {
        return {
          source: new RegistryImage({ registry, repository, reference: digest, close: () => other?.close() ?? Promise.resolve() }),
          identity: own ? 'origin' : 'registry',
        };
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof LayerswarmError)) throw error;
      onNote(`${text} cannot be had from where it came from: ${error.message}`);
    }
    await other?.close();
  }
  return undefined;
}

/** A registry's manifest is the engine's image when it names its configuration, itself or in one of its platforms. */
async function isSame(
  registry: SourceRegistry,
  repository: string,
  digest: Digest,
  { id }: EngineImage,
  signal: AbortSignal,
): Promise<boolean> {
  const hasConfig = (raw: RawManifest): boolean => {
    const manifest = parseManifest(raw.bytes, raw.mediaType);
    return manifest.kind === 'image' && manifest.config.digest.toString() === id;
  };
  const raw = await registry.manifest(repository, digest, signal);
  // the containerd image store of an engine goes by the manifest
  if (digest.toString() === id || hasConfig(raw)) return true;
  const manifest = parseManifest(raw.bytes, raw.mediaType);
  if (manifest.kind !== 'index') return false;
  for (const child of manifest.manifests) {
    if (hasConfig(await registry.manifest(repository, child.digest, signal))) return true;
  }
  return false;
}

async function fromPush({ engine, image, origin, openStaging, onNote, signal }: EngineSourceOptions): Promise<FoundImage | undefined> {
  const staging = await openStaging(origin.repository, origin.tag);
  try {
    await engine.push(image, staging.name, { signal, onProgress: onNote });
    const source = await staging.image();
    return { identity: 'engine', source: { ...delegate(source), close: () => staging.close() } };
  } catch (error) {
    await staging.close();
    if (signal.aborted || !(error instanceof LayerswarmError)) throw error;
    onNote(error.message);
    return undefined;
  }
}

function delegate(source: ImageSource): ImageSource {
  return {
    name: source.name,
    root: (signal) => source.root(signal),
    manifest: (digest, signal) => source.manifest(digest, signal),
    blob: (blob, signal) => source.blob(blob, signal),
    close: () => source.close(),
  };
}

async function fromSave({ engine, image, tempFolder, signal }: EngineSourceOptions): Promise<ImageSource> {
  const folder = await mkdtemp(join(tempFolder, 'save-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, 'image.tar');
    await pipeline(await engine.save(image, signal), createWriteStream(path, { mode: 0o600 }), { signal });
    const source = await openFileSource({ kind: 'docker-archive', path }, { tempFolder, signal });
    return {
      ...delegate(source),
      close: async () => {
        await source.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
