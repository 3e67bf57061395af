import type { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { Digest } from './digest.ts';
import { nestsDeeperThan } from './json-depth.ts';
import { HARMFUL, imageSchema, indexSchema } from './manifest-schema.ts';
import { isForeignLayerMediaType, isManifestMediaType, isMediaType, MediaType, mediaTypeEssence } from './media-type.ts';

/** distribution-spec 1.1, "Pushing Manifests": registries should take manifests of at least 4 MiB; common ones take no larger. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
// the deepest place that the specifications name is manifests[].platform["os.features"][]
const MAX_DEPTH = 32;

/** A manifest's exact bytes, as they came, with the digest that they have. */
export interface RawManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface ImageManifest {
  readonly kind: 'image';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export type Manifest = ImageManifest | ImageIndex;

/** Bytes under a manifest's digest that nothing is followed of: they are passed on as they are. */
export interface OpaqueManifest {
  readonly kind: 'opaque';
  readonly mediaType: string;
  readonly subject?: undefined;
  /** Why, in words. */
  readonly why: string;
}

export type AnyManifest = Manifest | OpaqueManifest;

/** What must be had beside a manifest itself to serve it whole. */
export interface LinkedDescriptors {
  /** Config and layers, each digest once. */
  readonly blobs: readonly Descriptor[];
  /** Layers that registries need not hold: each digest once. */
  readonly foreign: readonly Descriptor[];
  /** Manifests that an index lists, each digest once. */
  readonly children: readonly Descriptor[];
  /** What this manifest refers to; it may be missing (distribution-spec 1.1, "Pushing Manifests with Subject"). */
  readonly subject: Descriptor | undefined;
}

/**
 * Reads an OCI or Docker (schema 2) manifest or index out of bytes that nobody vouches for.
 * @param mediaType the type that it was announced with (Content-Type, or its descriptor), where there is one
 * @throws LayerswarmError `manifest-invalid`; `too-large` beyond `MAX_MANIFEST_BYTES`
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const manifest = readManifest(bytes, mediaType);
  if (manifest.kind === 'opaque') throw invalid(manifest.why);
  return manifest;
}

/**
 * The same for bytes whose digest was asked for: whatever they say, clients may have them, and what is not understood is opaque.
 * @throws LayerswarmError `manifest-invalid` and `too-large` for what would harm whoever reads it, and for Docker's schema 1
 */
export function readManifest(bytes: Uint8Array, mediaType?: string): AnyManifest {
  const document = jsonObject(bytes);
  if (typeof document === 'string') return opaque(document, mediaType);
  if (document['schemaVersion'] === 1)
    throw invalid('it is a Docker schema 1 manifest, which is no longer supported; push the image again with a current client');
  const isIndex = Array.isArray(document['manifests']);
  const result = (isIndex ? indexSchema : imageSchema).safeParse(document);
  if (result.success) return followed(result.data, announcedType(mediaType) ?? statedType(document) ?? inferredType(result.data));
  const { issues } = result.error;
  const harm = issues.find((issue) => issue.code === 'too_big' || (issue.code === 'custom' && issue.params === HARMFUL));
  const { path, message } = harm ?? issues[0]!;
  const why = `${path.join('.')}: ${message}`.slice(0, 300);
  if (harm !== undefined) throw invalid(why);
  return opaque(why, mediaType ?? statedType(document));
}

/**
 * Reads `bytes` and keeps them with their digest; sha256, or as `expected` has it.
 * @throws as `readManifest`, and `digest-mismatch`; without `expected`, which proves them, as `parseManifest`
 */
export function rawManifest(
  bytes: Buffer,
  options: { mediaType?: string | undefined; expected?: Digest | undefined } = {},
): { raw: RawManifest; manifest: AnyManifest } {
  const { expected, mediaType } = options;
  const digest = Digest.of(bytes, expected?.algorithm);
  if (expected !== undefined && !digest.equals(expected)) {
    throw new LayerswarmError(
      'digest-mismatch',
      `expected the manifest ${expected.toString()}, received bytes with digest ${digest.toString()}`,
    );
  }
  const manifest = expected === undefined ? parseManifest(bytes, mediaType) : readManifest(bytes, mediaType);
  return { raw: { digest, mediaType: manifest.mediaType, bytes }, manifest };
}

/** The mediaType that a document states for itself, where it is one. */
export function statedMediaType(bytes: Uint8Array): string | undefined {
  const document = jsonObject(bytes);
  return typeof document === 'string' ? undefined : statedType(document);
}

/** The descriptor of a manifest, as an index or a subject names it. */
export function manifestDescriptor(raw: RawManifest): Descriptor {
  return { mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.length };
}

export function linkedDescriptors(manifest: AnyManifest): LinkedDescriptors {
  const blobs = new Map<string, Descriptor>();
  const foreign = new Map<string, Descriptor>();
  const children = new Map<string, Descriptor>();
  if (manifest.kind === 'image') {
    blobs.set(manifest.config.digest.toString(), manifest.config);
    for (const layer of manifest.layers) (isForeign(layer) ? foreign : blobs).set(layer.digest.toString(), layer);
  } else if (manifest.kind === 'index') {
    // an index may list what is no manifest, as build caches do; registries hold that as a blob
    for (const child of manifest.manifests)
      (child.mediaType === '' || isManifestMediaType(child.mediaType) ? children : blobs).set(child.digest.toString(), child);
  }
  return { blobs: [...blobs.values()], foreign: [...foreign.values()], children: [...children.values()], subject: manifest.subject };
}

/** A layer that is fetched from its own `urls`, or whose type says that registries need not hold it. */
export function isForeign(layer: Descriptor): boolean {
  return (layer.urls?.length ?? 0) > 0 || isForeignLayerMediaType(layer.mediaType);
}

/** The document, or why it is none. @throws LayerswarmError `too-large`, `manifest-invalid` for what nests too deep */
function jsonObject(bytes: Uint8Array): Record<string, unknown> | string {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new LayerswarmError('too-large', `the manifest has ${bytes.length} bytes; at most ${MAX_MANIFEST_BYTES} are accepted`);
  }
  if (nestsDeeperThan(bytes, MAX_DEPTH)) throw invalid(`it nests deeper than ${MAX_DEPTH} levels`);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return 'it is not JSON in UTF-8';
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return 'expected a JSON object';
  return document as Record<string, unknown>;
}

/** What the registry says is what clients get to hear; static file servers know no manifest types. */
function announcedType(mediaType: string | undefined): string | undefined {
  const essence = mediaTypeEssence(mediaType);
  return essence !== undefined && isManifestMediaType(essence) ? essence : undefined;
}

function statedType({ mediaType }: Record<string, unknown>): string | undefined {
  const essence = typeof mediaType === 'string' ? mediaTypeEssence(mediaType) : undefined;
  return essence !== undefined && isMediaType(essence) ? essence : undefined;
}

/** Documents need not state their type; Docker's say what they are by what they list. */
function inferredType(parsed: Parsed): string {
  if (parsed.manifests !== undefined) {
    const isDocker = parsed.manifests.some(({ mediaType }) => mediaType === MediaType.dockerManifest);
    return isDocker ? MediaType.dockerManifestList : MediaType.ociIndex;
  }
  return parsed.config.mediaType === MediaType.dockerConfig ? MediaType.dockerManifest : MediaType.ociManifest;
}

type Parsed = z.infer<typeof imageSchema> | z.infer<typeof indexSchema>;

function followed(parsed: Parsed, mediaType: string): Manifest {
  const { artifactType, subject, annotations } = parsed;
  const shared = {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  if (parsed.manifests !== undefined) return { kind: 'index', mediaType, manifests: parsed.manifests, ...shared };
  return { kind: 'image', mediaType, config: parsed.config, layers: parsed.layers, ...shared };
}

function opaque(why: string, announced: string | undefined): OpaqueManifest {
  const essence = mediaTypeEssence(announced);
  return { kind: 'opaque', mediaType: essence !== undefined && isMediaType(essence) ? essence : 'application/octet-stream', why };
}

function invalid(why: string): LayerswarmError {
  return new LayerswarmError('manifest-invalid', `the manifest is not acceptable: ${why}`);
}
