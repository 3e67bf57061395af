import { Digest } from '../oci/digest.ts';
import { isRepositoryName, isTag } from '../oci/name.ts';
import { isLoopback, parseTcpAddress } from './network/address.ts';
import { hostGroup } from './network/host-group.ts';
import type { Peer, PeerNetwork } from './network/network.ts';

/** A tag's digest as an origin once gave it to the node that remembers it. */
export interface RememberedTag {
  readonly digest: Digest;
  /** Milliseconds since the epoch: when that origin last said so. */
  readonly checkedAt: number;
}

/** What members remember of a tag, taken together. */
export interface Testimony {
  /** The mapping that enough of them agree on; undefined where there is none. */
  readonly agreed: WitnessedTag | undefined;
  /** How many members remembered any. */
  readonly heard: number;
  /** How many on different hosts have to agree. */
  readonly wanted: number;
}

export interface WitnessedTag extends RememberedTag {
  /** Peer ids of those who said so. */
  readonly witnesses: readonly string[];
}

export interface Statement extends RememberedTag {
  readonly peerId: string;
  /** Statements of one host count once. */
  readonly host: string;
}

/** What this node heard itself from an origin (`Origin.url`). */
export type TagLookup = (origin: string, repository: string, tag: string) => RememberedTag | undefined;

/** Members that are asked; a mapping that was used lately is with many. */
const MAX_ASKED = 32;
/** A client waits for this answer, and the origin is away: what came by then is enough. */
const TIMEOUT_MS = 2000;
/** Clocks of hosts differ; who is further ahead than this is not believed. */
const MAX_SKEW_MS = 60_000;
/** A swarm of two or three hosts would remember nothing if it took more. */
const MEMBERS_FOR_TWO_WITNESSES = 3;
/** For this long a swarm is as large as it was: of a few members that are left for a moment, one must not have the say. */
const SWARM_SIZE_MS = 60 * 60 * 1000;

export interface TagMemoryOptions {
  /** How many members on different hosts must agree; by the size of the swarm where it is not given. */
  readonly witnesses?: () => number | undefined;
  /** Members that are connected, or were in the last `ms`; those that are connected unless given. */
  readonly membersWithin?: (ms: number) => number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** What tags meant while the origin could be reached, kept by all members together. */
export class TagMemory {
  readonly #network: PeerNetwork;
  readonly #witnesses: () => number | undefined;
  readonly #membersWithin: (ms: number) => number;
  readonly #now: () => number;

  constructor(network: PeerNetwork, lookup: TagLookup, options: TagMemoryOptions = {}) {
    this.#network = network;
    this.#witnesses = options.witnesses ?? (() => undefined);
    this.#membersWithin = options.membersWithin ?? (() => network.peers().length);
    this.#now = options.now ?? Date.now;
    network.handle('get-tag', ({ origin, repository, tag }) => {
      const found = isRepositoryName(repository) && isTag(tag) ? lookup(origin, repository, tag) : undefined;
      return found === undefined ? { type: 'tag' } : { type: 'tag', digest: found.digest.toString(), checkedAt: found.checkedAt };
    });
  }

  /**
   * What connected members remember. Waits until all that were asked have answered, and no longer than two seconds. Never throws.
   */
  async ask(origin: string, repository: string, tag: string, options: { signal?: AbortSignal } = {}): Promise<Testimony> {
    const members = this.#network.peers();
    const asked = members
      .map((peer) => ({ peer, order: Math.random() }))
      .sort((a, b) => a.order - b.order)
      .slice(0, MAX_ASKED)
      .map(async ({ peer }) => await this.#askOne(peer, { origin, repository, tag }, options.signal));
    const statements = (await Promise.all(asked)).filter((statement) => statement !== undefined);
    const wanted = this.#witnesses() ?? (this.#membersWithin(SWARM_SIZE_MS) >= MEMBERS_FOR_TWO_WITNESSES ? 2 : 1);
    return { agreed: weigh(statements, wanted), heard: statements.length, wanted };
  }

  async #askOne(
    peer: Peer,
    what: { origin: string; repository: string; tag: string },
    signal: AbortSignal | undefined,
  ): Promise<Statement | undefined> {
    try {
      const { digest, checkedAt } = await this.#network.request(
        peer.peerId,
        { type: 'get-tag', ...what },
        'tag',
        signal === undefined ? { timeoutMs: TIMEOUT_MS } : { timeoutMs: TIMEOUT_MS, signal },
      );
      const now = this.#now();
      if (digest === undefined || checkedAt === undefined || checkedAt > now + MAX_SKEW_MS) return undefined;
      return { digest: Digest.parse(digest), checkedAt: Math.min(checkedAt, now), peerId: peer.peerId, host: hostOf(peer) };
    } catch {
      // It left, is slow, or knows nothing of such a question: others were asked too.
      return undefined;
    }
  }
}

/**
 * Pure: the newest mapping that `wanted` hosts agree on. As old as the least of those who are needed for it, so that one who says
 * "now" does not make what others remember of long ago look fresh.
 */
export function weigh(statements: readonly Statement[], wanted: number): WitnessedTag | undefined {
  let best: WitnessedTag | undefined;
  for (const said of Map.groupBy(statements, ({ digest }) => digest.toString()).values()) {
    const byHost = [...Map.groupBy(said, ({ host }) => host).values()];
    const times = byHost.map((ofHost) => Math.max(...ofHost.map(({ checkedAt }) => checkedAt))).sort((a, b) => b - a);
    const checkedAt = times[wanted - 1];
    if (checkedAt === undefined || (best !== undefined && checkedAt <= best.checkedAt)) continue;
    best = { digest: said[0]!.digest, checkedAt, witnesses: said.map(({ peerId }) => peerId) };
  }
  return best;
}

/** Members on loopback are told apart by their ids alone: whoever runs there is on this host anyway. */
function hostOf({ peerId, address }: Peer): string {
  const host = parseTcpAddress(address)?.host;
  return host === undefined || isLoopback(host) ? peerId : hostGroup(host);
}
