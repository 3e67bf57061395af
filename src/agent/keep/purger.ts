import type { PurgeOutcome, PurgeReport } from '../../control/keep-operation.ts';
import { errorCode, LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { linkedDescriptors, MAX_MANIFEST_BYTES, rawManifest, readManifest, type RawManifest } from '../../oci/manifest.ts';
import { Reference } from '../../oci/reference.ts';
import type { PurgeResult } from '../../store/images/purge.ts';
import type { Store } from '../../store/store.ts';
import type { Peer, PeerNetwork } from '../../swarm/network/network.ts';
import type { ContainerdContent } from './containerd-content.ts';
import { parseImageName, type ImageName, type ImageNameOptions } from '../pull/image-name.ts';
import { memberFailure } from './member-failure.ts';
import type { UpstreamOf } from '../pull/puller.ts';

/** Deleting some thousand files takes a slow disk a while. */
const MEMBER_TIMEOUT_MS = 60_000;
/** As many as the message takes. */
const MAX_BLOBS = 4096;

export interface PurgerParts {
  readonly network: PeerNetwork;
  readonly store: Store;
  /** This node's own. */
  readonly name: string;
  readonly upstreamOf: UpstreamOf;
  readonly names: ImageNameOptions;
  /** Whether members may purge here. */
  readonly allowed: boolean;
  /** Told what a member removed here. */
  readonly onRemote: (peer: Peer, image: string, result: PurgeResult) => void;
  /** What containerd on this host holds, which a purge cannot take from it. */
  readonly containerd: Pick<ContainerdContent, 'holds'> | undefined;
}

/** Removes images from this node, at a person's or a member's wish, and from the members that allow it. */
export class Purger {
  readonly #parts: PurgerParts;

  constructor(parts: PurgerParts) {
    this.#parts = parts;
    const { network, store, names, allowed, onRemote } = parts;
    network.handle('purge', async ({ image: text, blobs, dryRun }, from) => {
      if (!allowed) throw new LayerswarmError('denied', 'this node lets nobody purge (allow.purge: false)');
      const image = parseImageName(text, names);
      const { digest } = image.reference;
      if (digest === undefined)
        throw new LayerswarmError('reference-invalid', 'a purge names a digest, since a tag may mean another image here');
      const made = [...(await this.#madeOf(digest)), ...blobs.map((blob) => Digest.parse(blob))];
      const result = await store.purge({ repository: image.full, digest, blobs: made, dryRun });
      if (!dryRun) onRemote(from, text, result);
      return {
        type: 'purged',
        removed: result.removed.length,
        bytes: result.bytes,
        kept: result.kept.length,
        tags: result.tags.length,
        held: this.#heldByRuntime(made, result),
      };
    });
  }

  /** @throws `not-found` when nobody knows what the reference means */
  async purge(
    text: string,
    options: { everywhere: boolean; zone?: string | undefined; dryRun: boolean; signal: AbortSignal },
  ): Promise<PurgeReport> {
    const { network, store, name, names } = this.#parts;
    const image = parseImageName(text, names);
    const digest = await this.#digestOf(image, options.signal);
    const { registry, repository, tag } = image.reference;
    const exact = Reference.of({ registry, repository, tag, digest });
    // Before anything goes, since members may need to be told what it is made of.
    const blobs = await this.#madeOf(digest);
    const own = await store.purge({ repository: image.full, digest, blobs, dryRun: options.dryRun });
    const members = options.everywhere ? network.peers().filter(({ zone }) => options.zone === undefined || zone === options.zone) : [];
    const others = await Promise.all(members.map(async (peer) => await this.#purgeMember(peer, exact.toString(), blobs, options)));
    options.signal.throwIfAborted();
    const mine: PurgeOutcome = {
      peerId: network.self,
      name,
      address: 'this node',
      state: 'done',
      reason: null,
      removed: own.removed.length,
      bytes: own.bytes,
      kept: own.kept.length,
      tags: own.tags.length,
      heldByRuntime: this.#heldByRuntime(blobs, own),
    };
    return { reference: image.reference.toString(), digest: digest.toString(), dryRun: options.dryRun, nodes: [mine, ...others] };
  }

  async #purgeMember(
    peer: Peer,
    image: string,
    blobs: readonly Digest[],
    { dryRun, signal }: { dryRun: boolean; signal: AbortSignal },
  ): Promise<PurgeOutcome> {
    const base = {
      peerId: peer.peerId,
      name: peer.name,
      address: peer.address,
      reason: null,
      removed: 0,
      bytes: 0,
      kept: 0,
      tags: 0,
      heldByRuntime: 0,
    };
    try {
      const message = { type: 'purge', image, blobs: blobs.slice(0, MAX_BLOBS).map(String), dryRun } as const;
      const {
        removed,
        bytes,
        kept,
        tags,
        held = 0,
      } = await this.#parts.network.request(peer.peerId, message, 'purged', { signal, timeoutMs: MEMBER_TIMEOUT_MS });
      return { ...base, state: 'done', removed, bytes, kept, tags, heldByRuntime: held };
    } catch (error) {
      return { ...base, ...memberFailure(error) };
    }
  }

  /** What this node knows comes first: the tag of a leaked image may be gone at the origin already, or mean the next one. */
  async #digestOf(image: ImageName, signal: AbortSignal): Promise<Digest> {
    const { digest, tag } = image.reference;
    const known = digest ?? this.#parts.store.images.tag(image.full, tag!)?.digest;
    if (known !== undefined) return known;
    try {
      return (await this.#parts.upstreamOf(image).resolver.manifest(image, tag!, signal)).raw.digest;
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error;
      throw new LayerswarmError(
        'not-found',
        `neither this node nor the origin knows ${image.reference.toString()}: give its digest, ${image.full}@sha256:…`,
        { cause: error },
      );
    }
  }

  /** Parts of the image that containerd keeps; what another image needs is none. */
  #heldByRuntime(blobs: readonly Digest[], { kept }: PurgeResult): number {
    const needed = new Set(kept.map(String));
    return new Set(
      blobs
        .filter((blob) => this.#parts.containerd?.holds(blob) === true)
        .map(String)
        .filter((blob) => !needed.has(blob)),
    ).size;
  }

  async #madeOf(root: Digest): Promise<Digest[]> {
    const found = new Map<string, Digest>([[root.toString(), root]]);
    const manifests = new Map(found);
    for (const digest of manifests.values()) {
      const raw = (await this.#parts.store.images.anyManifest(digest)) ?? (await this.#fromContent(digest));
      if (raw === undefined) continue;
      const { blobs, children } = linkedDescriptors(readManifest(raw.bytes, raw.mediaType));
      for (const { digest } of [...blobs, ...children]) found.set(digest.toString(), digest);
      for (const { digest } of children) manifests.set(digest.toString(), digest);
    }
    return [...found.values()];
  }

  /** A manifest that only containerd holds: this node has never read it as one. */
  async #fromContent(digest: Digest): Promise<RawManifest | undefined> {
    const { blobs } = this.#parts.store;
    const size = blobs.size(digest);
    if (size === undefined || size > MAX_MANIFEST_BYTES) return undefined;
    try {
      const reader = await blobs.open(digest);
      try {
        return rawManifest(await reader.read(0, size), { expected: digest }).raw;
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (!(error instanceof LayerswarmError)) throw error;
      return undefined; // gone meanwhile, or no manifest
    }
  }
}
