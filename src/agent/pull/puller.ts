import type { BlobProgress, PullProgress } from '../../control/pull-operation.ts';
import type { PullPlan } from '../../control/prefetch-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import { isForeign, linkedDescriptors, parseManifest, type ImageManifest, type RawManifest } from '../../oci/manifest.ts';
import { choosePlatform, formatPlatform, hostPlatform } from '../../oci/platform.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import type { Receipt, ReceiptPhase } from '../../status/receipt-document.ts';
import { BlobPull } from './blob-pull.ts';
import type { ImageName } from './image-name.ts';
import { makeReceipt, pullId } from './receipt.ts';

const BLOBS_AT_ONCE = 8;
/** Indexes may name indexes; real ones do not go deeper than this. */
const MAX_INDEX_DEPTH = 4;
const PROGRESS_INTERVAL_MS = 200;

/** Finds manifests and keeps them; the registry endpoint's resolver is one. */
export interface ManifestResolver {
  /** By tag, or by digest. @throws `not-found`, `origin-…`, `unavailable`, `manifest-invalid`, `digest-mismatch` */
  manifest(
    repository: { readonly name: string; readonly full: string },
    reference: string,
    signal: AbortSignal,
  ): Promise<{ readonly raw: RawManifest; readonly tag: { readonly kind: 'fresh' | 'stale' } | undefined }>;
}

/** What answers for the registry of a repository. */
export type UpstreamOf = (repository: { readonly name: string; readonly full: string }) => {
  readonly resolver: ManifestResolver;
  readonly exchange: BlobExchange;
};

export interface PullerOptions {
  readonly upstreamOf: UpstreamOf;
  readonly store: Pick<BlobStore, 'size'>;
  /** Of a full name, with its registry. */
  readonly isExcluded: (repository: string) => boolean;
}

export interface PullOptions {
  /** Which children of an index; the host's own platform by default. */
  readonly platforms?: readonly Platform[] | 'all' | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Of the pull, however it ended. */
  readonly onReceipt?: (receipt: Receipt) => void;
}

/** Brings whole images here, for whoever asks without being a registry client. */
export class Puller {
  readonly #options: PullerOptions;

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** What a pull would fetch; manifests are fetched for it. @throws as `pull` */
  async plan(image: ImageName, options: PullOptions): Promise<PullPlan> {
    const { raw } = await this.#resolve(image, options.signal);
    const collected: Collected = { manifestBytes: 0, blobs: new Map() };
    await this.#collect(image, raw, options, collected, 0);
    const blobs = [...collected.blobs.values()].map(({ digest, size }) => ({
      digest: digest.toString(),
      bytes: size,
      here: this.#options.store.size(digest) !== undefined,
    }));
    const sum = (counted: readonly { bytes: number }[]): number => counted.reduce((total, { bytes }) => total + bytes, 0);
    return {
      reference: image.reference.toString(),
      digest: raw.digest.toString(),
      blobs,
      bytes: collected.manifestBytes + sum(blobs),
      missingBytes: sum(blobs.filter(({ here }) => !here)),
    };
  }

  /**
   * Pulls, and gives the receipt, also of a pull that failed: to `onReceipt`, before it throws.
   * @throws what finding manifests or fetching blobs throws; `not-found` when no child of an index is for the platform
   */
  async pull(image: ImageName, options: PullOptions): Promise<Receipt> {
    const run: Run = {
      id: pullId(),
      startedAt: Date.now(),
      started: performance.now(),
      resolved: undefined,
      manifests: undefined,
      digest: '',
      stale: false,
      manifestBytes: 0,
      blobs: [],
      firstByteAt: undefined,
    };
    try {
      await this.#pull(image, options, run);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      options.onReceipt?.(receiptOf(image, run, options.signal.aborted ? 'aborted' : 'failed', message));
      throw error;
    }
    const receipt = receiptOf(image, run, 'done', null);
    options.onReceipt?.(receipt);
    return receipt;
  }

  async #pull(image: ImageName, options: PullOptions, run: Run): Promise<void> {
    const { reference } = image;
    const { raw, tag } = await this.#resolve(image, options.signal);
    run.digest = raw.digest.toString();
    run.stale = tag?.kind === 'stale';
    options.onProgress?.({ kind: 'resolved', reference: reference.toString(), digest: run.digest, stale: run.stale });
    run.resolved = performance.now();
    const collected: Collected = { manifestBytes: 0, blobs: new Map() };
    await this.#collect(image, raw, options, collected, 0);
    run.manifestBytes = collected.manifestBytes;
    run.manifests = performance.now();
    await this.#fetchAll(image, [...collected.blobs.values()], options, run);
  }

  #resolve(image: ImageName, signal: AbortSignal): ReturnType<ManifestResolver['manifest']> {
    const { reference } = image;
    return this.#options.upstreamOf(image).resolver.manifest(image, reference.digest?.toString() ?? reference.tag!, signal);
  }

  /** Adds what a manifest needs, and its children's. */
  async #collect(image: ImageName, raw: RawManifest, options: PullOptions, into: Collected, depth: number): Promise<void> {
    const manifest = parseManifest(raw.bytes, raw.mediaType);
    into.manifestBytes += raw.bytes.length;
    if (manifest.kind === 'image') {
      for (const blob of neededBlobs(manifest)) into.blobs.set(blob.digest.toString(), blob);
      return;
    }
    if (depth >= MAX_INDEX_DEPTH)
      throw new LayerswarmError(
        'manifest-invalid',
        `${image.reference.toString()} names indexes within indexes, more than ${MAX_INDEX_DEPTH} deep`,
      );
    const wanted = options.platforms ?? [hostPlatform()];
    const children =
      wanted === 'all'
        ? linkedDescriptors(manifest).children
        : wanted.map((platform) => {
            const child = choosePlatform(manifest, platform);
            if (child === undefined) throw noSuchPlatform(image, manifest.manifests, platform);
            return child;
          });
    for (const child of children) {
      const { raw: found } = await this.#options.upstreamOf(image).resolver.manifest(image, child.digest.toString(), options.signal);
      await this.#collect(image, found, options, into, depth + 1);
    }
  }

  async #fetchAll(image: ImageName, descriptors: readonly Descriptor[], options: PullOptions, run: Run): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([options.signal, failed.signal]);
    const blobs = descriptors.map((descriptor) => new BlobPull(descriptor, this.#options.store));
    run.blobs = blobs;
    const report = (): void => {
      for (const blob of blobs) blob.tick();
      const progress = blobs.map((blob): BlobProgress => blob.progress());
      if (run.firstByteAt === undefined && progress.some(({ haveBytes }) => haveBytes > 0)) run.firstByteAt = performance.now();
      options.onProgress?.({ kind: 'blobs', blobs: progress });
    };
    const ticker = setInterval(report, PROGRESS_INTERVAL_MS);
    const waiting = blobs.values();
    const work = async (): Promise<void> => {
      for (const blob of waiting) {
        await blob.run(
          this.#options.upstreamOf(image).exchange,
          { pull: run.id, repository: image.name, shared: !this.#options.isExcluded(image.full) },
          signal,
        );
      }
    };
    try {
      report();
      await Promise.all(
        Array.from({ length: BLOBS_AT_ONCE }, () =>
          work().catch((error: unknown) => {
            // The first failure ends the pull: the others need not go on for an image that cannot be whole.
            failed.abort(error);
            throw error;
          }),
        ),
      );
    } finally {
      clearInterval(ticker);
      report();
    }
  }
}

/** What is known of a pull so far; times of the monotonic clock, in ms. */
interface Run {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly started: number;
  resolved: number | undefined;
  manifests: number | undefined;
  firstByteAt: number | undefined;
  digest: string;
  stale: boolean;
  manifestBytes: number;
  blobs: readonly BlobPull[];
}

function receiptOf(image: ImageName, run: Run, result: Receipt['result'], error: string | null): Receipt {
  const { started, resolved, manifests, firstByteAt } = run;
  const ended = performance.now();
  const phase = (name: ReceiptPhase['name'], from: number | undefined, to: number | undefined): ReceiptPhase[] =>
    from === undefined ? [] : [{ name, seconds: ((to ?? ended) - from) / 1000 }];
  const receipt = makeReceipt({
    id: run.id,
    client: 'cli',
    result,
    error,
    reference: image.reference.toString(),
    digest: run.digest,
    startedAt: new Date(run.startedAt).toISOString(),
    finishedAt: new Date().toISOString(),
    seconds: (ended - started) / 1000,
    firstByteSeconds: firstByteAt === undefined ? null : (firstByteAt - started) / 1000,
    peerNames: {},
    // The store gives a blob its name only once every byte of it closed to its digest.
    verified: result === 'done',
    stale: run.stale,
    phases: [...phase('resolve', started, resolved), ...phase('manifests', resolved, manifests), ...phase('blobs', manifests, ended)],
    blobs: run.blobs.map((blob) => blob.receipt()),
  });
  return { ...receipt, bytes: run.manifestBytes + receipt.bytes };
}

interface Collected {
  manifestBytes: number;
  readonly blobs: Map<string, Descriptor>;
}

/** Config and layers; foreign layers are not in registries. */
function neededBlobs(manifest: ImageManifest): Descriptor[] {
  return [manifest.config, ...manifest.layers.filter((layer) => !isForeign(layer))];
}

function noSuchPlatform(image: ImageName, children: readonly Descriptor[], wanted: Platform): LayerswarmError {
  const offered = children.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)])).slice(0, 20);
  return new LayerswarmError(
    'not-found',
    `${image.reference.toString()} is not there for ${formatPlatform(wanted)}: it has ${offered.join(', ') || 'no image'}; choose one with --platform`,
  );
}
