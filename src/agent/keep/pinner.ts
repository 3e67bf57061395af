import type { PinNode, PinReport, PinRequest, PinStatus, UnpinReport, UnpinRequest } from '../../control/keep-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Store } from '../../store/store.ts';
import type { Peer, PeerNetwork } from '../../swarm/network/network.ts';
import { blobsOfImage } from './copies.ts';
import type { CopyKeeper } from './copy-keeper.ts';
import type { CopyTargets } from './copy-targets.ts';
import { parseImageName, type ImageName, type ImageNameOptions } from '../pull/image-name.ts';
import { memberFailure } from './member-failure.ts';
import type { UpstreamOf } from '../pull/puller.ts';

/** The other side may have to ask the origin what the tag means. */
const MEMBER_TIMEOUT_MS = 30_000;

export interface PinnerParts {
  readonly network: PeerNetwork;
  readonly store: Pick<Store, 'blobs' | 'images'>;
  readonly upstreamOf: UpstreamOf;
  readonly names: ImageNameOptions;
  readonly targets: CopyTargets;
  readonly keeper: Pick<CopyKeeper, 'holders' | 'look'>;
  /** This node's own. */
  readonly name: string;
  readonly zone: string;
  /** Whether members may pin and unpin here. */
  readonly allowed: boolean;
  /** Of a full name. */
  readonly isExcluded: (repository: string) => boolean;
  /** Told what a member changed here. */
  readonly onRemote: (peer: Peer, image: string, pinned: boolean) => void;
}

type Held = Pick<PinNode, 'bytes' | 'complete'>;

/** Pins and unpins images: here, at a person's or a member's wish, and on the members that allow it. */
export class Pinner {
  readonly #parts: PinnerParts;
  readonly #closed = new AbortController();

  constructor(parts: PinnerParts) {
    this.#parts = parts;
    parts.network.handle('pin', async ({ image: text, pinned, dryRun }, from) => {
      if (!parts.allowed) throw new LayerswarmError('denied', 'this node lets nobody pin (allow.pin: false)');
      const image = parseImageName(text, parts.names);
      if (parts.isExcluded(image.full)) throw new LayerswarmError('denied', `${image.full} is excluded from the swarm on this node`);
      const name = image.reference.toString();
      const changed = parts.store.images.pins().includes(name) !== pinned;
      const held = pinned ? await this.#pin(image, undefined, dryRun, this.#closed.signal) : await this.#unpin(name, dryRun);
      if (changed && !dryRun) parts.onRemote(from, name, pinned);
      return { type: 'pin-state', changed, ...held };
    });
  }

  close(): void {
    this.#closed.abort(new LayerswarmError('aborted', 'this node is stopping'));
  }

  list(): PinStatus[] {
    return this.#parts.store.images.pins().map((reference) => this.#statusOf(reference));
  }

  /** @throws `not-found` when the image is not known, `denied` for an excluded one that is to be pinned elsewhere */
  async pin({ reference, copies, everywhere, zone, dryRun = false }: PinRequest, signal: AbortSignal): Promise<PinReport> {
    const image = this.#imageFor(reference, everywhere === true || zone !== undefined);
    const name = image.reference.toString();
    const isOwnTurn = zone === undefined || zone === this.#parts.zone;
    const wasPinned = this.#parts.store.images.pins().includes(name);
    const held = isOwnTurn ? await this.#pin(image, copies, dryRun, signal) : { bytes: 0, complete: false };
    if (!dryRun && copies !== undefined) await this.#parts.keeper.look(signal);
    const report = { ...this.#statusOf(name), ...(dryRun ? { copies: copies ?? null } : {}), ...held };
    if (everywhere !== true && zone === undefined) return report;
    return {
      ...report,
      nodes: [...(isOwnTurn ? [this.#own(held, !wasPinned)] : []), ...(await this.#onMembers(name, true, zone, dryRun, signal))],
    };
  }

  async unpin({ reference, everywhere, zone, dryRun = false }: UnpinRequest, signal: AbortSignal): Promise<UnpinReport> {
    const name = this.#imageFor(reference, everywhere === true || zone !== undefined).reference.toString();
    const isOwnTurn = zone === undefined || zone === this.#parts.zone;
    const wasPinned = isOwnTurn && this.#parts.store.images.pins().includes(name);
    const held = isOwnTurn ? await this.#unpin(name, dryRun) : { bytes: 0, complete: false };
    if (everywhere !== true && zone === undefined) return { reference: name, wasPinned };
    const nodes = [...(isOwnTurn ? [this.#own(held, wasPinned)] : []), ...(await this.#onMembers(name, false, zone, dryRun, signal))];
    return { reference: name, wasPinned: nodes.some(({ changed }) => changed), nodes };
  }

  /** Names with a tag are pinned as such everywhere: a tag that moves takes its pins along. */
  #imageFor(reference: string, elsewhere: boolean): ImageName {
    const image = parseImageName(reference, this.#parts.names);
    if (elsewhere && this.#parts.isExcluded(image.full))
      throw new LayerswarmError(
        'denied',
        `${image.full} is excluded from the swarm (exclude), so no member is told of it: pin it on each host`,
      );
    return image;
  }

  async #pin(image: ImageName, copies: number | undefined, dryRun: boolean, signal: AbortSignal): Promise<Held> {
    const { store, upstreamOf, targets } = this.#parts;
    const { reference } = image;
    const { raw } = await upstreamOf(image).resolver.manifest(image, reference.digest?.toString() ?? reference.tag!, signal);
    if (!dryRun) {
      store.images.pin(reference.toString());
      if (copies !== undefined) await targets.set(reference.toString(), copies);
    }
    return await this.#held(raw.digest);
  }

  async #unpin(name: string, dryRun: boolean): Promise<Held> {
    if (!dryRun) {
      await this.#parts.targets.delete(name);
      this.#parts.store.images.unpin(name);
    }
    return { bytes: 0, complete: false };
  }

  async #held(root: Digest): Promise<Held> {
    const { images, blobs } = this.#parts.store;
    const needed = await blobsOfImage(images, root);
    const here = needed.filter(({ digest }) => blobs.size(digest) !== undefined);
    return { bytes: here.reduce((sum, { size }) => sum + size, 0), complete: needed.length > 0 && here.length === needed.length };
  }

  async #onMembers(image: string, pinned: boolean, zone: string | undefined, dryRun: boolean, signal: AbortSignal): Promise<PinNode[]> {
    const { network } = this.#parts;
    const members = network.peers().filter((peer) => zone === undefined || peer.zone === zone);
    const nodes = await Promise.all(
      members.map(async ({ peerId, name, address, zone }): Promise<PinNode> => {
        const base = { peerId, name, address, zone, reason: null, changed: false, bytes: 0, complete: false };
        try {
          const { changed, bytes, complete } = await network.request(peerId, { type: 'pin', image, pinned, dryRun }, 'pin-state', {
            signal,
            timeoutMs: MEMBER_TIMEOUT_MS,
          });
          return { ...base, state: 'done', changed, bytes, complete };
        } catch (error) {
          return { ...base, ...memberFailure(error) };
        }
      }),
    );
    signal.throwIfAborted();
    return nodes;
  }

  #own(held: Held, changed: boolean): PinNode {
    const { network, name, zone } = this.#parts;
    return { peerId: network.self, name, address: 'this node', zone, state: 'done', reason: null, changed, ...held };
  }

  #statusOf(reference: string): PinStatus {
    const { targets, keeper } = this.#parts;
    return { reference, copies: targets.get(reference) ?? null, holders: keeper.holders(reference) ?? null };
  }
}
