import type { PullProgress } from '../../control/pull-operation.ts';
import type { NodeOutcome, PrefetchProgress, PrefetchReport } from '../../control/prefetch-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Platform } from '../../oci/descriptor.ts';
import { parsePlatform } from '../../oci/platform.ts';
import { Reference } from '../../oci/reference.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import { parseImageName, type ImageName, type ImageNameOptions } from '../pull/image-name.ts';
import { prefetchOnMembers } from './prefetch-wave.ts';
import type { Puller, PullOptions, UpstreamOf } from '../pull/puller.ts';

const TAG_TIMEOUT_MS = 5000;

export interface PreheatParts {
  readonly network: PeerNetwork;
  readonly puller: Puller;
  readonly upstreamOf: UpstreamOf;
  readonly names: ImageNameOptions;
  /** Keeps a receipt, and gives it back as it is kept. */
  readonly keep: (receipt: Receipt) => Receipt;
  /** Of a full name. */
  readonly isExcluded: (repository: string) => boolean;
  /** This node's own. */
  readonly name: string;
  readonly zone: string;
}

export interface PreheatOptions {
  readonly platforms?: readonly string[] | undefined;
  readonly zone?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PrefetchProgress) => void;
}

/** Pulls that people or members ask for: here, at a member's wish, and on every member. */
export class Preheat {
  readonly #parts: PreheatParts;

  constructor(parts: PreheatParts) {
    this.#parts = parts;
  }

  /** One image, here, with a receipt that is kept, also when it fails. @throws as `Puller.pull` */
  async here(image: ImageName, options: PullOptions): Promise<Receipt> {
    const { puller, keep } = this.#parts;
    let kept: Receipt | undefined;
    const receipt = await puller.pull(image, {
      ...options,
      onReceipt: (receipt) => {
        kept = keep(receipt);
      },
    });
    return kept ?? receipt;
  }

  /** What a member asked for. @throws `denied` for an excluded repository, and as `here` */
  async forMember(
    text: string,
    platforms: readonly string[],
    options: { signal: AbortSignal; onProgress: (progress: PullProgress) => void },
  ): Promise<Receipt> {
    const image = parseImageName(text, this.#parts.names);
    if (this.#parts.isExcluded(image.full)) throw new LayerswarmError('denied', `${image.full} is excluded from the swarm on this node`);
    const receipt = await this.here(image, { ...options, platforms: parsePlatforms(platforms) });
    await this.#rememberTag(image, options.signal);
    return receipt;
  }

  /** Every member that is connected, or those of a zone, and this node; each of them gets the digest that the reference means now. */
  async everywhere(text: string, options: PreheatOptions): Promise<PrefetchReport> {
    const { network, upstreamOf, zone: ownZone, isExcluded } = this.#parts;
    const { zone, signal, onProgress } = options;
    const image = parseImageName(text, this.#parts.names);
    if (isExcluded(image.full))
      throw new LayerswarmError(
        'denied',
        `${image.full} is excluded from the swarm (exclude), so no member is asked for it: pull it on each host`,
      );
    const platforms = parsePlatforms(options.platforms);
    const { raw } = await upstreamOf(image).resolver.manifest(image, image.reference.digest?.toString() ?? image.reference.tag!, signal);
    const reference = image.reference.toString();
    const digest = raw.digest.toString();
    const { registry, repository, tag } = image.reference;
    const exact: ImageName = { ...image, reference: Reference.of({ registry, repository, tag, digest: raw.digest }) };
    const members = network.peers().filter((peer) => zone === undefined || peer.zone === zone);
    const own = zone === undefined || zone === ownZone ? [this.#ownOutcome()] : [];
    if (options.dryRun === true) {
      const nodes = [...own, ...members.map(({ peerId, name, address, zone }) => ({ ...this.#ownOutcome(), peerId, name, address, zone }))];
      return { reference, digest, nodes, complete: false };
    }
    let others: readonly NodeOutcome[] = [];
    const report = (): void => onProgress({ reference, digest, nodes: [...own, ...others] });
    const mine = own.map(async (outcome, index) => {
      own[index] = await this.#pullOwn(exact, outcome, { platforms, signal }, (next) => {
        own[index] = next;
      });
    });
    const theirs = prefetchOnMembers({
      network,
      members,
      image: exact.reference.toString(),
      platforms: options.platforms ?? [],
      signal,
      onProgress: (nodes) => {
        others = nodes;
        report();
      },
    });
    // Either may fail first, and both are waited for: what goes on after the answer would have nobody to tell.
    const [reached] = await Promise.allSettled([theirs, ...mine]);
    if (reached.status === 'rejected') throw reached.reason;
    others = reached.value;
    signal.throwIfAborted();
    const nodes = [...own, ...others];
    if (nodes.length === 0) throw new LayerswarmError('not-found', `no node of zone ${zone ?? ''} is connected: see "layerswarm peers"`);
    return { reference, digest, nodes, complete: nodes.every(({ state }) => state === 'done' || state === 'refused') };
  }

  async #pullOwn(image: ImageName, before: NodeOutcome, options: PullOptions, tell: (outcome: NodeOutcome) => void): Promise<NodeOutcome> {
    try {
      const receipt = await this.here(image, {
        ...options,
        onProgress: (progress) => {
          if (progress.kind !== 'blobs') return;
          const sum = (value: 'sizeBytes' | 'haveBytes' | 'fromOriginBytes' | 'fromPeersBytes'): number =>
            progress.blobs.reduce((total, blob) => total + blob[value], 0);
          tell({
            ...before,
            state: 'running',
            sizeBytes: sum('sizeBytes'),
            haveBytes: sum('haveBytes'),
            fromOriginBytes: sum('fromOriginBytes'),
            fromPeersBytes: sum('fromPeersBytes'),
          });
        },
      });
      const { bytes, fromOriginBytes, fromPeersBytes, seconds } = receipt;
      return { ...before, state: 'done', sizeBytes: bytes, haveBytes: bytes, fromOriginBytes, fromPeersBytes, seconds };
    } catch (error) {
      if (options.signal.aborted) throw error;
      return { ...before, state: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #ownOutcome(): NodeOutcome {
    const { network, name, zone } = this.#parts;
    return {
      peerId: network.self,
      name,
      address: 'this node',
      zone,
      state: 'waiting',
      reason: null,
      sizeBytes: 0,
      haveBytes: 0,
      fromOriginBytes: 0,
      fromPeersBytes: 0,
      seconds: 0,
    };
  }

  /**
   * The member said a digest, so that all get the same. What the tag means is still the origin's to say: asking once lets this node
   * list the image by its name, and answer for it while the origin is away.
   */
  async #rememberTag(image: ImageName, signal: AbortSignal): Promise<void> {
    const { tag } = image.reference;
    if (tag === undefined) return;
    try {
      await this.#parts.upstreamOf(image).resolver.manifest(image, tag, AbortSignal.any([signal, AbortSignal.timeout(TAG_TIMEOUT_MS)]));
    } catch {
      // The image is here, by its digest; its name follows when somebody asks for it.
    }
  }
}

/** @throws `usage` for what is no platform */
export function parsePlatforms(texts: readonly string[] | undefined): readonly Platform[] | 'all' | undefined {
  if (texts === undefined || texts.length === 0) return undefined;
  return texts.includes('all') ? 'all' : texts.map((text) => parsePlatform(text));
}
