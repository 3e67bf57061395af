import { LayerswarmError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { linkedDescriptors, type Manifest, parseManifest, type RawManifest } from '../oci/manifest.ts';
import type { ImageSource } from './image-source.ts';

/** Indexes may name indexes; real ones do not go deeper than this. */
const MAX_DEPTH = 4;
/** Manifests of one image with all its platforms; the largest known index lists some hundred. */
const MAX_MANIFESTS = 2000;

export interface CollectedManifest {
  readonly raw: RawManifest;
  readonly manifest: Manifest;
}

/** All that an image consists of. */
export interface CollectedImage {
  readonly root: RawManifest;
  /** Children before the index that names them, so the root comes last; each once. */
  readonly manifests: readonly CollectedManifest[];
  /** Config and layers that registries hold, each once. */
  readonly blobs: readonly Descriptor[];
}

/** Reads every manifest of an image. @throws what the source throws; `manifest-invalid`, `too-large` */
export async function collectImage(
  source: Pick<ImageSource, 'manifest'>,
  root: RawManifest,
  signal?: AbortSignal,
): Promise<CollectedImage> {
  const manifests = new Map<string, CollectedManifest>();
  const blobs = new Map<string, Descriptor>();
  const open = new Set<string>();

  async function visit(raw: RawManifest, depth: number): Promise<void> {
    const key = raw.digest.toString();
    if (manifests.has(key) || open.has(key)) return;
    if (depth > MAX_DEPTH)
      throw new LayerswarmError('manifest-invalid', `the image names indexes within indexes, more than ${MAX_DEPTH} deep`);
    if (open.size + manifests.size >= MAX_MANIFESTS)
      throw new LayerswarmError('too-large', `the image has more than ${MAX_MANIFESTS} manifests`);
    open.add(key);
    const manifest = parseManifest(raw.bytes, raw.mediaType);
    const linked = linkedDescriptors(manifest);
    for (const blob of linked.blobs) addBlob(blobs, blob);
    for (const child of linked.children) await visit(await childManifest(source, child, signal), depth + 1);
    open.delete(key);
    manifests.set(key, { raw, manifest });
  }

  await visit(root, 0);
  return { root, manifests: [...manifests.values()], blobs: [...blobs.values()] };
}

async function childManifest(
  source: Pick<ImageSource, 'manifest'>,
  { digest, size }: { digest: Digest; size: number },
  signal?: AbortSignal,
): Promise<RawManifest> {
  const raw = await source.manifest(digest, signal);
  if (raw.bytes.length !== size)
    throw new LayerswarmError('size-mismatch', `the manifest ${digest.toString()} has ${raw.bytes.length} bytes, its index says ${size}`);
  return raw;
}

function addBlob(blobs: Map<string, Descriptor>, blob: Descriptor): void {
  const key = blob.digest.toString();
  const known = blobs.get(key);
  if (known !== undefined && known.size !== blob.size)
    throw new LayerswarmError('manifest-invalid', `the image gives ${key} two sizes, ${known.size} and ${blob.size} bytes`);
  blobs.set(key, blob);
}
