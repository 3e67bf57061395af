import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFoldersSync } from '../../folders.ts';
import { Digest } from '../../oci/digest.ts';
import { MediaType } from '../../oci/media-type.ts';
import type { Compression, PackedLayer } from '../pack/pack-layer.ts';

const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: MediaType.ociLayer,
  gzip: MediaType.ociLayerGzip,
  zstd: MediaType.ociLayerZstd,
};
const REF_NAME = 'org.opencontainers.image.ref.name';
/** Where containerd and Docker look for the whole reference. */
const IMAGE_NAME = 'io.containerd.image.name';
const DEFAULT_TAG = 'latest';

export interface ImageInput {
  readonly config: Buffer;
  readonly layers: readonly PackedLayer[];
  readonly platform: Readonly<Record<string, unknown>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Tag in the layout, and the name that `docker load` gives. */
  readonly tag?: string | undefined;
  readonly name?: string | undefined;
}

export interface WrittenImage {
  readonly manifest: Digest;
  readonly config: Digest;
}

/**
 * Adds an image to an OCI image layout (image-layout.md), and writes the `manifest.json` beside it that Docker before 25 needs to load
 * it. Blobs are moved into place before the index names them; another image of the same tag is replaced.
 */
export function writeLayout(dir: string, { config, layers, platform, annotations, tag = DEFAULT_TAG, name }: ImageInput): WrittenImage {
  const blobs = join(dir, 'blobs/sha256');
  const indexFile = join(dir, 'index.json');
  makeFoldersSync(blobs);
  for (const layer of layers) renameSync(layer.file, join(blobs, layer.digest.hex));
  const configDigest = writeBlob(blobs, config);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: { mediaType: MediaType.ociConfig, digest: configDigest.toString(), size: config.length },
      layers: layers.map(({ compression, digest, size }) => ({ mediaType: LAYER_TYPES[compression], digest: digest.toString(), size })),
      annotations,
    }),
  );
  const manifestDigest = writeBlob(blobs, manifest);
  const descriptor = {
    mediaType: MediaType.ociManifest,
    digest: manifestDigest.toString(),
    size: manifest.length,
    platform,
    annotations: { [REF_NAME]: tag, ...(name !== undefined && { [IMAGE_NAME]: name }) },
  };
  const others = readJsonList(indexFile, (index) => (index as { manifests?: unknown }).manifests).filter(
    (other) => (other as { annotations?: Record<string, string> }).annotations?.[REF_NAME] !== tag,
  );
  const manifestFile = join(dir, 'manifest.json');
  const otherNames = readJsonList(manifestFile, (list) => list).filter(
    (other) => !(other as { RepoTags?: unknown[] }).RepoTags?.includes(name),
  );
  replaceFile(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  replaceFile(indexFile, JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [...others, descriptor] }));
  replaceFile(
    manifestFile,
    JSON.stringify([
      ...otherNames,
      {
        Config: `blobs/sha256/${configDigest.hex}`,
        RepoTags: name === undefined ? [] : [name],
        Layers: layers.map(({ digest }) => `blobs/sha256/${digest.hex}`),
      },
    ]),
  );
  return { manifest: manifestDigest, config: configDigest };
}

/** @throws LayerswarmError `usage` when the folder holds something else than an OCI layout */
export function checkLayoutFolder(dir: string): void {
  if (existsSync(dir) && (!statSync(dir).isDirectory() || (readdirSync(dir).length > 0 && !existsSync(join(dir, 'oci-layout'))))) {
    throw new LayerswarmError('usage', `${JSON.stringify(dir)} is there and is no OCI layout: choose an empty or a new folder`);
  }
}

function readJsonList(file: string, pick: (document: unknown) => unknown): unknown[] {
  if (!existsSync(file)) return [];
  let list: unknown;
  try {
    list = pick(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new LayerswarmError('usage', `${JSON.stringify(file)} is damaged: choose another folder`, { cause: error });
  }
  if (!Array.isArray(list)) throw new LayerswarmError('usage', `${JSON.stringify(file)} is damaged: choose another folder`);
  return list as unknown[];
}

function writeBlob(blobs: string, bytes: Buffer): Digest {
  const digest = Digest.of(bytes);
  replaceFile(join(blobs, digest.hex), bytes);
  return digest;
}

function replaceFile(path: string, content: string | Buffer): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { flush: true });
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
