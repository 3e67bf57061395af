import { pipe } from 'it-pipe';
import { errorCode, LayerswarmError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import type { ByteRate } from '../origin/budget.ts';
import { copyAttachments } from './copy-attachments.ts';
import { type CollectedImage, collectImage } from './collect-image.ts';
import type { CopyTarget } from './copy-target.ts';
import type { ImageSource } from './image-source.ts';
import { inParallel } from './in-parallel.ts';
import { type ConflictPolicy, type CopyPlan, planCopy } from './plan-copy.ts';

const UPLOADS_AT_ONCE = 4;

export interface CopyOptions {
  /** At the target. */
  readonly repository: string;
  /** At the target; without one the image is copied by its digest. */
  readonly tag?: string | undefined;
  readonly conflict?: ConflictPolicy | undefined;
  /** Where else at the target a blob may be, to be mounted from. */
  readonly mountFrom?: ((blob: Digest) => Iterable<string>) | undefined;
  /** Copies what refers to the image as well; true unless given. */
  readonly attachments?: boolean | undefined;
  /** Stands for the source's own root, e.g. one platform of it. */
  readonly root?: RawManifest | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CopyProgress {
  readonly blob: Descriptor;
  readonly state: 'present' | 'mounted' | 'uploading' | 'uploaded';
  /** Bytes passed on of this blob, in this try. */
  readonly bytes: number;
}

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
  const image = await collectImage(source, options.root ?? await source.root(signal), signal);
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

/** HEAD, mount, upload: the first that does. Alone for each blob, so that a second copy finds what the first brought. */
export function copyBlob(source: ImageSource, target: CopyTarget, blob: Descriptor, options: CopyOptions): Promise<'present' | 'mounted' | 'uploaded'> {
  const { repository, signal, onProgress } = options;
  const { digest } = blob;
  return target.alone(digest, async () => {
    signal?.throwIfAborted();
    if (await target.writer.blobExists(repository, digest, signal)) {
      onProgress?.({ blob, state: 'present', bytes: blob.size });
      return 'present';
    }
    for (const from of target.places(digest, repository, options.mountFrom?.(digest) ?? [])) {
      if (!await mounted(target, repository, digest, from, signal)) continue;
      target.placed(digest, repository);
      onProgress?.({ blob, state: 'mounted', bytes: blob.size });
      return 'mounted';
    }
    await target.writer.uploadBlob(repository, blob, () => pipe(
      source.blob(blob, signal),
      (bytes) => atRate(bytes, target.rate, signal),
      (bytes) => counted(bytes, (sent) => onProgress?.({ blob, state: 'uploading', bytes: sent })),
    ), signal);
    target.placed(digest, repository);
    onProgress?.({ blob, state: 'uploaded', bytes: blob.size });
    return 'uploaded';
  });
}

async function mounted(target: CopyTarget, repository: string, digest: Digest, from: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    return await target.writer.mountBlob(repository, digest, from, signal);
  } catch (error) {
    // a mount that is not allowed or not understood is one that did not happen
    if (['not-found', 'origin-denied', 'origin-unauthorized', 'unsupported', 'name-invalid'].includes(errorCode(error))) return false;
    throw error;
  }
}

async function checkTag(target: CopyTarget, repository: string, tag: string, expected: Digest, signal: AbortSignal | undefined): Promise<void> {
  const found = await target.tag(repository, tag, signal);
  if (found?.equals(expected) === true) return;
  throw new LayerswarmError('digest-mismatch', `${repository}:${tag} was copied as ${expected.toString()}, and ${target.reader.url} says that it is ${found?.toString() ?? 'not there'}: somebody else pushes this tag`);
}

async function* atRate(bytes: AsyncIterable<Uint8Array>, rate: ByteRate | undefined, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of bytes) {
    await rate?.take(chunk.length, signal);
    yield chunk;
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, tell: (total: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    tell(total);
    yield chunk;
  }
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
    done: () => ({ digest: image.root.digest, tag: plan.tag.kind, manifests: plan.manifests.length, ...counts, attachments: report.attachments }),
  };
  for (const blob of plan.present) report.count(blob, 'present');
  return report;
}
