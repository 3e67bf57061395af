import { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest, type RawManifest, rawManifest } from '../oci/manifest.ts';
import { MediaType } from '../oci/media-type.ts';
import { referrerDescriptor, referrersTag } from '../oci/referrers.ts';
import { type CollectedImage, collectImage } from './collect-image.ts';
import { copyBlob, type CopyOptions } from './copy-blob.ts';
import type { CopyTarget } from './copy-target.ts';
import type { Attachments, ImageSource } from './image-source.ts';
import { planCopy } from './plan-copy.ts';

/** A signature of an SBOM of an image: chains end here. */
const MAX_DEPTH = 3;
const MAX_ATTACHMENTS = 2000;

/**
 * Copies what refers to an image: its referrers, theirs in turn, and the tags that are named after its digests. At a registry
 * that lists referrers by itself nothing else is needed; elsewhere the referrers tag is kept (distribution-spec 1.1, "Pushing
 * Manifests with Subject"). @returns how many manifests were not there as they are now
 */
export async function copyAttachments(
  source: ImageSource,
  attachments: Attachments,
  target: CopyTarget,
  image: CollectedImage,
  options: CopyOptions,
): Promise<number> {
  const { signal } = options;
  const done = new Set<string>();
  const changed = new Set<string>();

  async function visit(subject: Digest, depth: number): Promise<void> {
    const tags = await attachments.tags(subject, signal);
    const fallback = referrersTag(subject);
    const unlisted: RawManifest[] = [];
    for (const digest of await attachments.referrers(subject, signal)) {
      const copied = await copyOne(digest, undefined);
      if (copied === undefined) continue;
      if (!copied.processed) unlisted.push(copied.raw);
      if (depth < MAX_DEPTH) await visit(digest, depth + 1);
    }
    for (const { tag, digest } of tags) await copyOne(digest, tag);
    // the source's own list was copied where it keeps one as a tag
    if (unlisted.length > 0 && !tags.some(({ tag }) => tag === fallback))
      await listReferrers(target, options.repository, fallback, unlisted, signal);
  }

  async function copyOne(digest: Digest, tag: string | undefined): Promise<{ raw: RawManifest; processed: boolean } | undefined> {
    const key = `${digest.toString()} ${tag ?? ''}`;
    if (done.has(key)) return undefined;
    if (done.size >= MAX_ATTACHMENTS) throw new LayerswarmError('too-large', `more than ${MAX_ATTACHMENTS} artifacts refer to the image`);
    done.add(key);
    const raw = await source.manifest(digest, signal);
    const { processed, isNew } = await copyWhole(source, target, raw, { ...options, tag, conflict: 'overwrite' });
    if (isNew) changed.add(digest.toString());
    return { raw, processed };
  }

  for (const { raw } of image.manifests) await visit(raw.digest, 1);
  return changed.size;
}

/** One artifact with its blobs. `processed`: the registry lists it among the referrers of its subject by itself. */
async function copyWhole(
  source: ImageSource,
  target: CopyTarget,
  root: RawManifest,
  options: CopyOptions,
): Promise<{ processed: boolean; isNew: boolean }> {
  const { repository, tag, signal } = options;
  const image = await collectImage(source, root, signal);
  const plan = await planCopy(image, target, options, signal);
  for (const blob of plan.blobs) await copyBlob(source, target, blob, options);
  let processed = true;
  for (const { raw, manifest } of plan.manifests) {
    const { subjectProcessed } = await target.writer.putManifest(repository, raw, undefined, signal);
    if (manifest.subject !== undefined && !subjectProcessed) processed = false;
  }
  const isTagged = tag !== undefined && plan.tag.kind !== 'same';
  if (isTagged) await target.writer.putManifest(repository, root, tag, signal);
  const { subject } = parseManifest(root.bytes, root.mediaType);
  const isNew = isTagged || plan.manifests.length > 0;
  if (plan.manifests.length > 0 || subject === undefined) return { processed, isNew };
  // it was there already, maybe without being listed: a copy may have ended between the two
  return { processed: (await target.reader.referrers(repository, subject.digest, undefined, signal)) !== undefined, isNew };
}

/** Adds manifests to the list that stands in for the referrers API. */
async function listReferrers(
  target: CopyTarget,
  repository: string,
  tag: string,
  referrers: readonly RawManifest[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const before = await target.tag(repository, tag, signal);
  const existing = before === undefined ? [] : listedIn(await target.reader.manifest(repository, before, signal));
  const known = new Set(existing.map(({ digest }) => digest));
  const added = referrers.filter(({ digest }) => !known.has(digest.toString())).map((raw) => referrerDescriptor(raw, parsed(raw)));
  if (added.length === 0) return;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [...existing, ...added] }));
  await target.writer.putManifest(repository, rawManifest(bytes).raw, tag, signal);
}

const listed = z.object({ manifests: z.array(z.looseObject({ digest: z.string() })) });

/** The entries as they stand there, so that what others wrote into them is kept. */
function listedIn(raw: RawManifest): z.infer<typeof listed>['manifests'] {
  if (parsed(raw).kind !== 'index')
    throw new LayerswarmError('manifest-invalid', `the referrers tag of the target names ${raw.digest.toString()}, which is no index`);
  return listed.parse(JSON.parse(raw.bytes.toString('utf8'))).manifests;
}

function parsed(raw: RawManifest): Manifest {
  return parseManifest(raw.bytes, raw.mediaType);
}
