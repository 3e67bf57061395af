import { LayerswarmError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { copyAttachments } from './copy-attachments.ts';
import { copyBlob, type CopyOptions } from './copy-blob.ts';
import { type CollectedImage, collectImage } from './collect-image.ts';
import type { CopyTarget } from './copy-target.ts';
import type { ImageSource } from './image-source.ts';
import { inParallel } from '../async/in-parallel.ts';
import { type CopyPlan, planCopy } from './plan-copy.ts';

const UPLOADS_AT_ONCE = 4;

export interface CopyReport {
  readonly digest: Digest;
  readonly tag: CopyPlan['tag']['kind'];
  readonly manifests: number;
  readonly uploaded: BlobCount;
  readonly mounted: BlobCount;
  readonly present: BlobCount;
  /** Artifacts that refer to the image and were copied with it. */
  readonly attachments: number;
}

export interface BlobCount {
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Copies an image with its bytes as they are: what the target has is left alone, blobs go before manifests, children before their
 * index, what refers to the image before its tag, and the tag last; so whoever finds the tag finds everything. Begun again after
 * a failure it goes on with what is missing. The digest that the target gives is checked after each step.
 * @throws LayerswarmError of source and target; `origin-conflict`
 */
export async function copyImage(source: ImageSource, target: CopyTarget, options: CopyOptions): Promise<CopyReport> {
  const { repository, signal } = options;
  const image = await collectImage(source, options.root ?? (await source.root(signal)), signal);
  const plan = await planCopy(image, target, options, signal);
  const report = startReport(image, plan);
  if (plan.tag.kind === 'keep') return report.done();
  for (const blob of plan.present) options.onProgress?.({ blob, state: 'present', bytes: blob.size });

  await inParallel(UPLOADS_AT_ONCE, plan.blobs, async (blob) => report.count(blob, await copyBlob(source, target, blob, options)));
  for (const { raw, manifest } of plan.manifests) {
    signal?.throwIfAborted();
    await target.writer.putManifest(repository, raw, undefined, signal);
    for (const { digest } of manifest.kind === 'image' ? [manifest.config, ...manifest.layers] : []) target.placed(digest, repository);
  }
  if (options.attachments !== false && source.attachments !== undefined) {
    report.attachments = await copyAttachments(source, source.attachments, target, image, options);
  }
  const { tag } = plan;
  if (tag.kind === 'new' || tag.kind === 'move') await target.writer.putManifest(repository, image.root, tag.tag, signal);
  if (tag.kind !== 'none') await checkTag(target, repository, tag.tag, image.root.digest, signal);
  return report.done();
}

async function checkTag(
  target: CopyTarget,
  repository: string,
  tag: string,
  expected: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await target.tag(repository, tag, signal);
  if (found?.equals(expected) === true) return;
  throw new LayerswarmError(
    'digest-mismatch',
    `${repository}:${tag} was copied as ${expected.toString()}, and ${target.reader.url} says that it is ${found?.toString() ?? 'not there'}: somebody else pushes this tag`,
  );
}

interface ReportInProgress {
  attachments: number;
  count(blob: Descriptor, how: 'present' | 'mounted' | 'uploaded'): void;
  done(): CopyReport;
}

function startReport(image: CollectedImage, plan: CopyPlan): ReportInProgress {
  const counts = { present: { blobs: 0, bytes: 0 }, mounted: { blobs: 0, bytes: 0 }, uploaded: { blobs: 0, bytes: 0 } };
  const report: ReportInProgress = {
    attachments: 0,
    count({ size }, how) {
      counts[how].blobs += 1;
      counts[how].bytes += size;
    },
    done: () => ({
      digest: image.root.digest,
      tag: plan.tag.kind,
      manifests: plan.manifests.length,
      ...counts,
      attachments: report.attachments,
    }),
  };
  for (const blob of plan.present) report.count(blob, 'present');
  return report;
}
