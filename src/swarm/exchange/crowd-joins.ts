import type { BlobNetwork } from '../network/network.ts';
import type { Holding, MessageOf } from '../protocol/message.ts';
import type { MemberAnswer } from './blob-finding.ts';
import { CrowdSearch, type CrowdReach } from './core/crowd-search.ts';
import { DOWNLOAD_LIMITS } from './core/limits.ts';
import { farZone } from './core/zone-budget.ts';

const JOIN_TIMEOUT_MS = 3000;
const PROVIDERS_TIMEOUT_MS = 5000;

export interface CrowdJoinsOptions {
  readonly network: BlobNetwork;
  readonly random: () => number;
  /** This node's own; undefined where zones do not matter. */
  readonly zone: string | undefined;
  readonly signal: AbortSignal;
  /** What to ask with, as it stands now. */
  message(): MessageOf<'join'>;
  answered(peerId: string, answer: MemberAnswer): void;
  /** An answer came, or will not come any more. */
  ended(): void;
}

/** Asks members to exchange one blob with this node. */
export class CrowdJoins {
  /** Answers that are awaited. */
  readonly pending = new Set<Promise<void>>();
  readonly #options: CrowdJoinsOptions;
  readonly #search: CrowdSearch;

  constructor(options: CrowdJoinsOptions) {
    this.#options = options;
    this.#search = new CrowdSearch(DOWNLOAD_LIMITS, options.random);
  }

  get reach(): CrowdReach {
    return this.#search.reach;
  }

  start(): void {
    const peers = this.#options.network.peers();
    for (const { peerId } of peers) this.#offer(peerId);
    this.#ask();
    // In a smaller swarm everyone is connected, and asked.
    if (peers.length >= DOWNLOAD_LIMITS.wholeSwarm) this.#await(this.#askProviders());
  }

  /** A member has come. */
  add(peerId: string): void {
    this.#offer(peerId);
    this.#ask();
  }

  /** It has gone, or wants the blob no more; somebody else takes its place when `replace` says so. */
  remove(peerId: string, replace: boolean): void {
    this.#search.remove(peerId);
    if (replace) this.#ask();
  }

  /** A member asked for itself. */
  accept(peerId: string, holding: Holding, wants: boolean): boolean {
    const exchanges = isOfUse(holding, wants);
    if (exchanges && this.#search.isFull && !this.#search.exchangesWith(peerId)) return false;
    this.#search.answered(peerId, exchanges);
    return true;
  }

  #offer(peerId: string): void {
    const { network, zone } = this.#options;
    this.#search.add(peerId, farZone(zone, network.peer(peerId)?.zone));
  }

  #ask(): void {
    for (const peerId of this.#search.next()) {
      this.#await(this.#join(peerId));
    }
  }

  #await(work: Promise<void>): void {
    const ended = work.finally(() => {
      this.pending.delete(ended);
      this.#options.ended();
    });
    this.pending.add(ended);
  }

  /** Those that have the blob according to the DHT, who may not have been connected. */
  async #askProviders(): Promise<void> {
    const { network, signal } = this.#options;
    const { blob } = this.#options.message().holding;
    for await (const peerId of network.findProviders(blob, AbortSignal.any([signal, AbortSignal.timeout(PROVIDERS_TIMEOUT_MS)]))) {
      if (this.#search.choose(peerId)) this.#await(this.#join(peerId));
    }
  }

  async #join(peerId: string): Promise<void> {
    const { network, signal } = this.#options;
    const message = this.#options.message();
    let exchanges = false;
    try {
      const answer = await network.request(peerId, message, 'joined', { signal, timeoutMs: JOIN_TIMEOUT_MS });
      if (answer.holding.blob !== message.holding.blob) return;
      exchanges = isOfUse(answer.holding, answer.wants);
      this.#options.answered(peerId, { holding: answer.holding, wants: answer.wants, told: message.holding });
    } catch {
      // A member that does not answer is no neighbour of this blob; if it is gone, the network says so.
    } finally {
      // It may have asked by itself since, and that counts.
      this.#search.answered(peerId, exchanges || this.#search.exchangesWith(peerId));
      if (!signal.aborted) this.#ask();
    }
  }
}

/** It has some of the blob, or wants it and has nothing yet. */
function isOfUse(holding: Holding, wants: boolean): boolean {
  return holding.state !== 'none' || wants;
}
