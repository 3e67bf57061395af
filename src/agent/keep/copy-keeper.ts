import type { Logger } from '../../log.ts';
import type { Digest } from '../../oci/digest.ts';
import { Reference } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import { blobsOfImage, chooseKeepers, findHolders } from './copies.ts';
import type { CopyTargets } from './copy-targets.ts';
import { prefetchOnMembers } from './prefetch-wave.ts';

/** A member that left may only be restarting: its copy is missed after this time. */
const AFTER_LEAVING_MS = 5000;
/** Members that refuse or fail are replaced by others, this often for one look. */
const MAX_ROUNDS = 4;

export interface CopyKeeperParts {
  readonly network: PeerNetwork;
  readonly store: Pick<Store, 'blobs' | 'images'>;
  readonly targets: CopyTargets;
  readonly zone: string;
  readonly log: Logger;
  readonly random?: () => number;
  readonly afterLeavingMs?: number;
}

/** Sees to it that images with a minimum of copies have them: counts who holds one whole, and asks others to prefetch it. */
export class CopyKeeper {
  readonly #parts: CopyKeeperParts;
  readonly #holders = new Map<string, number>();
  readonly #unsubscribe: () => void;
  readonly #closed = new AbortController();
  #soon: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(parts: CopyKeeperParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.network.onPeer(() => {
      if (parts.targets.size === 0) return;
      this.#soon ??= setTimeout(() => {
        this.#soon = undefined;
        void this.look(this.#closed.signal);
      }, parts.afterLeavingMs ?? AFTER_LEAVING_MS).unref();
    });
  }

  /** How many nodes held the image when it was last counted. */
  holders(reference: string): number | undefined {
    return this.#holders.get(reference);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    clearTimeout(this.#soon);
    this.#closed.abort();
    await this.#looking;
  }

  /** Counts the copies of every image and has missing ones made. Calls join. Never throws. */
  look(signal: AbortSignal): Promise<void> {
    this.#looking ??= this.#lookAtAll(AbortSignal.any([signal, this.#closed.signal])).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const { targets, store } = this.#parts;
    for (const [reference, copies] of targets.all()) {
      if (signal.aborted) return;
      try {
        // A purge took the pin away: the image must not come back.
        if (!store.images.pins().includes(reference)) await targets.delete(reference);
        else await this.#keep(reference, copies, signal);
      } catch (error) {
        if (!signal.aborted) this.#parts.log.warn('cannot keep the copies of an image', { reference, reason: String(error) });
      }
    }
  }

  async #keep(text: string, copies: number, signal: AbortSignal): Promise<void> {
    const { network, store, zone, log, random = Math.random } = this.#parts;
    const root = this.#rootOf(text);
    if (root === undefined) return;
    const blobs = (await blobsOfImage(store.images, root)).map(({ digest }) => digest);
    if (blobs.length === 0) return;
    const tried = new Set<string>();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const holders = await findHolders(network, blobs, signal);
      const here = blobs.every((blob) => store.blobs.size(blob) !== undefined);
      const zones = [...(here ? [{ zone }] : []), ...holders];
      this.#holders.set(text, zones.length);
      const holding = new Set(holders.map(({ peerId }) => peerId));
      const candidates = network.peers().filter(({ peerId }) => !holding.has(peerId) && !tried.has(peerId));
      const chosen = new Set(chooseKeepers(candidates, zones, copies - zones.length, random));
      if (signal.aborted || chosen.size === 0) {
        if (zones.length < copies && !signal.aborted)
          log.warn('an image has fewer copies than it should', { reference: text, copies: zones.length, wanted: copies });
        return;
      }
      for (const peerId of chosen) tried.add(peerId);
      const reference = Reference.parse(text);
      const image = Reference.of({
        registry: reference.registry,
        repository: reference.repository,
        tag: reference.tag,
        digest: root,
      }).toString();
      log.info('asking members to keep an image', { reference: text, copies: zones.length, wanted: copies, members: chosen.size });
      await prefetchOnMembers({
        network,
        members: candidates.filter(({ peerId }) => chosen.has(peerId)),
        image,
        platforms: [],
        signal,
        onProgress: () => undefined,
      });
    }
  }

  #rootOf(text: string): Digest | undefined {
    const { name, tag, digest } = Reference.parse(text);
    return digest ?? (tag === undefined ? undefined : this.#parts.store.images.tag(name, tag)?.digest);
  }
}
