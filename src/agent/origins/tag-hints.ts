import type { Logger } from '../../log.ts';
import { errorCode } from '../../errors.ts';
import { isRepositoryName, isTag } from '../../oci/name.ts';
import type { Origin } from '../../origin/origin.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';

export interface TagHintsParts {
  readonly network: PeerNetwork;
  readonly images: ImageStore;
  readonly origin: () => Origin | undefined;
  readonly isExcluded: (repository: string) => boolean;
  /** Whether this node has something to do when the tag moves. */
  readonly wants: (repository: string, tag: string) => boolean;
  readonly log: Logger;
}

const RESOLVE_TIMEOUT_MS = 10_000;
/** Tags that are asked for at a time because members said that they moved. */
const MAX_ASKING = 64;

/**
 * Tells members that a tag moved, so that they do not serve for the rest of its time to live what it meant before. Nobody is
 * believed: whoever hears it asks the origin at the next use, or at once where something waits for it.
 */
export class TagHints {
  readonly #parts: TagHintsParts;
  readonly #asking = new Set<string>();

  constructor(parts: TagHintsParts) {
    this.#parts = parts;
    parts.network.handle('tag-moved', (message) => {
      this.#onMoved(message);
      return undefined;
    });
  }

  announce(repository: string, tag: string): void {
    const { network, origin, isExcluded } = this.#parts;
    const url = origin()?.url;
    if (url === undefined || isExcluded(repository)) return;
    const message = { type: 'tag-moved' as const, origin: url, repository, tag };
    for (const { peerId } of network.peers()) network.send(peerId, message);
  }

  /** Of a repository as the image store names it; of other registries than the origin nothing is said. */
  announceStored(full: string, tag: string): void {
    const url = this.#parts.origin()?.url;
    const prefix = url === undefined ? undefined : `${registryNameOf(url)}/`;
    if (prefix !== undefined && full.startsWith(prefix)) this.announce(full.slice(prefix.length), tag);
  }

  #onMoved({ origin: url, repository, tag }: { origin: string; repository: string; tag: string }): void {
    const { images, origin, wants } = this.#parts;
    if (origin()?.url !== url || !isRepositoryName(repository) || !isTag(tag)) return;
    const full = `${registryNameOf(url)}/${repository}`;
    const known = images.tag(full, tag);
    if (known !== undefined) images.setTag(full, tag, known.digest, 0);
    if (wants(repository, tag)) void this.#ask(full, repository, tag);
  }

  async #ask(full: string, repository: string, tag: string): Promise<void> {
    const { images, origin, log } = this.#parts;
    const key = `${full}:${tag}`;
    const current = origin();
    if (current === undefined || this.#asking.has(key) || this.#asking.size >= MAX_ASKING) return;
    this.#asking.add(key);
    try {
      const digest = await current.resolveTag(repository, tag, AbortSignal.timeout(RESOLVE_TIMEOUT_MS));
      images.setTag(full, tag, digest, Date.now());
    } catch (error) {
      log.debug('a tag that is said to have moved cannot be asked for', { image: key, reason: errorCode(error) });
    } finally {
      this.#asking.delete(key);
    }
  }
}
