import { Digest } from '../oci/digest.ts';
import { isRepositoryName, isTag } from '../oci/name.ts';
import type { Network } from './network/network.ts';

/** A tag's digest as an origin once gave it. */
export interface RememberedTag {
  readonly digest: Digest;
  /** Milliseconds since the epoch: when that origin last said so. */
  readonly checkedAt: number;
}

/** What this node remembers itself of an origin (`Origin.url`). */
export type TagLookup = (origin: string, repository: string, tag: string) => RememberedTag | undefined;

/** Members that are asked; a mapping that was used lately is with many. */
const MAX_ASKED = 32;
/** A client waits for this answer, and the origin is away: what came by then is enough. */
const DEFAULT_TIMEOUT_MS = 2000;

/** What tags meant while the origin could be reached, kept by all members together. */
export class TagMemory {
  readonly #network: Network;
  readonly #lookup: TagLookup;
  readonly #now: () => number;
  readonly #random: () => number;

  constructor(network: Network, lookup: TagLookup, options: { now?: () => number; random?: () => number } = {}) {
    this.#network = network;
    this.#lookup = lookup;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    network.handle('get-tag', ({ origin, repository, tag }) => {
      const found = isRepositoryName(repository) && isTag(tag) ? this.#lookup(origin, repository, tag) : undefined;
      return found === undefined ? { type: 'tag' } : { type: 'tag', digest: found.digest.toString(), checkedAt: found.checkedAt };
    });
  }

  /**
   * The newest mapping that this node or a connected member remembers. Waits until all members that were asked have answered,
   * and no longer than `timeoutMs`. Never throws: undefined when nobody knows, or the signal ends it before anybody said.
   */
  async newest(origin: string, repository: string, tag: string, options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<RememberedTag | undefined> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const asked = this.#network.peers()
      .map((peer) => ({ peerId: peer.peerId, order: this.#random() }))
      .sort((a, b) => a.order - b.order)
      .slice(0, MAX_ASKED)
      .map(async ({ peerId }) => await this.#ask(peerId, { origin, repository, tag }, timeoutMs, options.signal));
    const answers = [this.#lookup(origin, repository, tag), ...(await Promise.all(asked))];
    return answers.reduce((best, answer) => (answer !== undefined && (best === undefined || answer.checkedAt > best.checkedAt) ? answer : best), undefined);
  }

  async #ask(peerId: string, what: { origin: string; repository: string; tag: string }, timeoutMs: number, signal: AbortSignal | undefined): Promise<RememberedTag | undefined> {
    try {
      const { digest, checkedAt } = await this.#network.request(peerId, { type: 'get-tag', ...what }, 'tag', signal === undefined ? { timeoutMs } : { timeoutMs, signal });
      if (digest === undefined || checkedAt === undefined) return undefined;
      // A clock that runs ahead must not make a mapping newer than all others for ever.
      return { digest: Digest.parse(digest), checkedAt: Math.min(checkedAt, this.#now()) };
    } catch {
      // It left, is slow, or knows nothing of such a question: others were asked too.
      return undefined;
    }
  }
}
