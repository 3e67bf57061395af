import { LayerswarmError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { CollectedImage, CollectedManifest } from './collect-image.ts';
import type { CopyTarget } from './copy-target.ts';
import { inParallel } from '../async/in-parallel.ts';

const HEADS_AT_ONCE = 8;

/** What to do when the tag means something else at the target. */
export type ConflictPolicy = 'overwrite' | 'keep' | 'fail';

export type TagPlan =
  | { readonly kind: 'none' }
  | { readonly kind: 'same'; readonly tag: string }
  | { readonly kind: 'new'; readonly tag: string }
  | { readonly kind: 'move'; readonly tag: string; readonly from: Digest }
  /** Left as it is: the policy says so. Nothing is copied. */
  | { readonly kind: 'keep'; readonly tag: string; readonly from: Digest };

/** The difference between an image and what a target has of it. */
export interface CopyPlan {
  readonly tag: TagPlan;
  /** Manifests that the target's repository lacks, children first. */
  readonly manifests: readonly CollectedManifest[];
  /** Blobs that it lacks. */
  readonly blobs: readonly Descriptor[];
  /** Blobs that it has. */
  readonly present: readonly Descriptor[];
}

/** Compares, and changes nothing. @throws what the target throws; `origin-conflict` when the tag means something else and the policy is to fail */
export async function planCopy(
  image: CollectedImage,
  target: CopyTarget,
  where: { repository: string; tag?: string | undefined; conflict?: ConflictPolicy | undefined },
  signal?: AbortSignal,
): Promise<CopyPlan> {
  const { repository } = where;
  const tag = await planTag(image.root.digest, target, where, signal);
  if (tag.kind === 'keep') return { tag, manifests: [], blobs: [], present: [] };
  const lacking: CollectedManifest[] = [];
  // a registry that has a manifest took it with all that it names, so what is below is not asked for
  const complete = new Set<string>();
  for (const entry of [...image.manifests].reverse()) {
    const key = entry.raw.digest.toString();
    if (!complete.has(key)) {
      if (!(await target.hasManifest(repository, entry.raw.digest, signal))) {
        lacking.unshift(entry);
        continue;
      }
    }
    complete.add(key);
    if (entry.manifest.kind === 'index') for (const child of entry.manifest.manifests) complete.add(child.digest.toString());
  }
  const needed = new Set(
    lacking
      .flatMap(({ manifest }) => (manifest.kind === 'image' ? [manifest.config, ...manifest.layers] : manifest.manifests))
      .map(({ digest }) => digest.toString()),
  );
  const blobs: Descriptor[] = [];
  const present: Descriptor[] = [];
  await inParallel(HEADS_AT_ONCE, image.blobs, async (blob) => {
    const has = !needed.has(blob.digest.toString()) || (await target.writer.blobExists(repository, blob.digest, signal));
    if (has) target.placed(blob.digest, repository);
    (has ? present : blobs).push(blob);
  });
  return { tag, manifests: lacking, blobs, present };
}

async function planTag(
  digest: Digest,
  target: CopyTarget,
  where: { repository: string; tag?: string | undefined; conflict?: ConflictPolicy | undefined },
  signal: AbortSignal | undefined,
): Promise<TagPlan> {
  const { repository, tag, conflict = 'overwrite' } = where;
  if (tag === undefined) return { kind: 'none' };
  const from = await target.tag(repository, tag, signal);
  if (from === undefined) return { kind: 'new', tag };
  if (from.equals(digest)) return { kind: 'same', tag };
  if (conflict === 'fail') {
    throw new LayerswarmError(
      'origin-conflict',
      `${new URL(target.reader.url).host}/${repository}:${tag} is ${from.toString()} there, not ${digest.toString()}: remove it there, or set the policy's conflict to overwrite or keep`,
    );
  }
  return { kind: conflict === 'keep' ? 'keep' : 'move', tag, from };
}
