import type { ImageSource } from '../copy/image-source.ts';
import { LayerswarmError } from '../errors.ts';
import type { Platform } from '../oci/descriptor.ts';
import { type ImageIndex, parseManifest, type RawManifest, rawManifest } from '../oci/manifest.ts';
import { formatPlatform, normalizePlatform } from '../oci/platform.ts';

/**
 * What is copied of an index when only some platforms are wanted: the child itself where that is one, with the digest that it has;
 * else an index of those children, which is another document and so has a digest of its own. @throws `not-found` when there is none
 */
export async function onlyPlatforms(
  source: ImageSource,
  root: RawManifest,
  platforms: readonly Platform[],
  signal?: AbortSignal,
): Promise<RawManifest> {
  const manifest = parseManifest(root.bytes, root.mediaType);
  if (platforms.length === 0 || manifest.kind === 'image') return root;
  const wanted = platforms.map((platform) => formatPlatform(normalizePlatform(platform)));
  const kept = manifest.manifests.filter(
    ({ platform }) => platform !== undefined && wanted.includes(formatPlatform(normalizePlatform(platform))),
  );
  const [only] = kept;
  if (only === undefined) throw new LayerswarmError('not-found', `the image is not there for ${wanted.join(' or ')}`);
  if (kept.length === 1) return source.manifest(only.digest, signal);
  return kept.length === manifest.manifests.length ? root : subset(root, manifest, new Set(kept.map(({ digest }) => digest.toString())));
}

/** The same document with fewer entries, everything else in it as it stands there. */
function subset(root: RawManifest, index: ImageIndex, kept: ReadonlySet<string>): RawManifest {
  const document = JSON.parse(root.bytes.toString('utf8')) as { manifests: { digest: string }[] };
  const manifests = document.manifests.filter(({ digest }) => kept.has(digest));
  return rawManifest(Buffer.from(JSON.stringify({ ...document, manifests })), { mediaType: index.mediaType }).raw;
}
