import type { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { Digest } from './digest.ts';
import { nestsDeeperThan } from './json-depth.ts';
import { imageSchema, indexSchema } from './manifest-schema.ts';
import { isForeignLayerMediaType, isIndexMediaType, isManifestMediaType, MediaType } from './media-type.ts';

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
 * @param mediaType the type that it was announced with (Content-Type, or its descriptor), without parameters; it must agree
 * with the document. Without one, the document says it.
 * @throws LayerswarmError `manifest-invalid`; `too-large` beyond `MAX_MANIFEST_BYTES`
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const document = parseJsonObject(bytes);
  const type = manifestType(document, mediaType);
  return isIndexMediaType(type) ? toIndex(checked(indexSchema, document), type) : toImage(checked(imageSchema, document), type);
}

/** Parses `bytes` and keeps them with their digest; sha256, or as `expected` has it. @throws as `parseManifest`, and `digest-mismatch` */
export function rawManifest(bytes: Buffer, options: { mediaType?: string | undefined; expected?: Digest | undefined } = {}): { raw: RawManifest; manifest: Manifest } {
  const { expected } = options;
  const digest = Digest.of(bytes, expected?.algorithm);
  if (expected !== undefined && !digest.equals(expected)) {
    throw new LayerswarmError('digest-mismatch', `expected the manifest ${expected.toString()}, received bytes with digest ${digest.toString()}`);
  }
  const manifest = parseManifest(bytes, options.mediaType);
  return { raw: { digest, mediaType: manifest.mediaType, bytes }, manifest };
}

/** The descriptor of a manifest, as an index or a subject names it. */
export function manifestDescriptor(raw: RawManifest): Descriptor {
  return { mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.length };
}

export function linkedDescriptors(manifest: Manifest): LinkedDescriptors {
  const blobs = new Map<string, Descriptor>();
  const foreign = new Map<string, Descriptor>();
  const children = new Map<string, Descriptor>();
  if (manifest.kind === 'image') {
    blobs.set(manifest.config.digest.toString(), manifest.config);
    for (const layer of manifest.layers) (isForeign(layer) ? foreign : blobs).set(layer.digest.toString(), layer);
  } else {
    // an index may list what is no manifest, as build caches do; registries hold that as a blob
    for (const child of manifest.manifests) (isManifestMediaType(child.mediaType) ? children : blobs).set(child.digest.toString(), child);
  }
  return { blobs: [...blobs.values()], foreign: [...foreign.values()], children: [...children.values()], subject: manifest.subject };
}

/** A layer that is fetched from its own `urls`, or whose type says that registries need not hold it. */
export function isForeign(layer: Descriptor): boolean {
  return (layer.urls?.length ?? 0) > 0 || isForeignLayerMediaType(layer.mediaType);
}

function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new LayerswarmError('too-large', `the manifest has ${bytes.length} bytes; at most ${MAX_MANIFEST_BYTES} are accepted`);
  }
  if (nestsDeeperThan(bytes, MAX_DEPTH)) throw invalid(`it nests deeper than ${MAX_DEPTH} levels`);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw invalid('it is not JSON in UTF-8', error);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw invalid('expected a JSON object');
  return document as Record<string, unknown>;
}

function manifestType(document: Record<string, unknown>, announced: string | undefined): string {
  const stated = document['mediaType'];
  if (document['schemaVersion'] === 1) throw invalid('it is a Docker schema 1 manifest, which is no longer supported; push the image again with a current client');
  if (stated !== undefined && typeof stated !== 'string') throw invalid('mediaType: expected a string');
  if (stated !== undefined && announced !== undefined && stated !== announced) {
    throw invalid(`its mediaType says ${stated.slice(0, 100)}, but it was announced as ${announced.slice(0, 100)}`);
  }
  const type = stated ?? announced ?? inferredType(document);
  if (!isManifestMediaType(type)) throw invalid(`the media type ${type.slice(0, 100)} is no image manifest or index`);
  const isOci = type === MediaType.ociManifest || type === MediaType.ociIndex;
  if (stated === undefined && !isOci) throw invalid('a Docker manifest must state its mediaType');
  return type;
}

/** OCI documents need not state their type. */
function inferredType(document: Record<string, unknown>): string {
  return document['manifests'] === undefined ? MediaType.ociManifest : MediaType.ociIndex;
}

function checked<T>(schema: z.ZodType<T>, document: unknown): T {
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`.slice(0, 300));
}

function toImage(parsed: z.infer<typeof imageSchema>, mediaType: string): ImageManifest {
  const { config, layers } = parsed;
  return { kind: 'image', mediaType, config, layers, ...shared(parsed) };
}

function toIndex(parsed: z.infer<typeof indexSchema>, mediaType: string): ImageIndex {
  return { kind: 'index', mediaType, manifests: parsed.manifests, ...shared(parsed) };
}

function shared({ artifactType, subject, annotations }: z.infer<typeof imageSchema> | z.infer<typeof indexSchema>): Pick<ImageManifest, 'artifactType' | 'subject' | 'annotations'> {
  return {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function invalid(why: string, cause?: unknown): LayerswarmError {
  return new LayerswarmError('manifest-invalid', `the manifest is not acceptable: ${why}`, { cause });
}
