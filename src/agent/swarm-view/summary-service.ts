import { LayerswarmError } from '../../errors.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import type { Peer, PeerNetwork } from '../../swarm/network/network.ts';
import { TokenBucket } from '../../swarm/network/rate-limit.ts';
import { makePullDetail, type PullDetail } from './pull-summary.ts';
import { makeSummary, newsOf, type MaySee, type SummaryFacts, type WholeSummary } from './summary.ts';

/** However many ask, a summary is made this often. */
const FRESH_MS = 900;
/** Questions of one member, a second and at once: a page asks every 2 s, and a person opens a few pulls. */
const ASKED = { rate: 2, burst: 20 };

export interface SummaryServiceOptions {
  readonly network: PeerNetwork;
  readonly facts: () => SummaryFacts;
  readonly receipts: () => readonly Receipt[];
  /** What members are told of. */
  readonly maySee: MaySee;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const EVERYTHING: MaySee = { reference: () => true, blob: () => true };

/** Tells of this node: members, who ask while somebody looks at their page, and this node's own page. */
export class SummaryService {
  readonly #options: SummaryServiceOptions;
  readonly #asked = new Map<string, TokenBucket>();
  #facts: { readonly at: number; readonly facts: SummaryFacts } | undefined;
  #forMembers: { readonly facts: SummaryFacts; readonly summary: WholeSummary } | undefined;

  constructor(options: SummaryServiceOptions) {
    this.#options = options;
    const { network, maySee } = options;
    network.onPeer((event, { peerId }) => {
      if (event === 'left') this.#asked.delete(peerId);
    });
    network.handle('get-summary', (known, from) => {
      this.#admit(from);
      return newsOf(this.#summaryForMembers(), known);
    });
    network.handle('get-pull', ({ id }, from) => {
      this.#admit(from);
      return this.#pull(id, maySee);
    });
  }

  /** All of it, for this node's own page. */
  own(): WholeSummary {
    return makeSummary(this.#fresh(), EVERYTHING);
  }

  status(): SummaryFacts['status'] {
    return this.#fresh().status;
  }

  /** @throws `not-found` */
  ownPull(id: string): PullDetail {
    return this.#pull(id, EVERYTHING);
  }

  /** An answer is larger than its question: whoever asks without end gets none. @throws `unavailable` */
  #admit({ peerId }: Peer): void {
    const now = this.#options.now();
    const asked = this.#asked.get(peerId) ?? new TokenBucket(ASKED.rate, ASKED.burst, now);
    this.#asked.set(peerId, asked);
    if (asked.waitMs(now) > 0) throw new LayerswarmError('unavailable', 'this node was asked too often; ask again later');
    asked.take(now);
  }

  #pull(id: string, maySee: MaySee): PullDetail {
    const receipt = this.#options.receipts().find((candidate) => candidate.id === id && maySee.reference(candidate.reference));
    if (receipt === undefined) throw new LayerswarmError('not-found', 'that node keeps the receipt of this pull no more');
    return makePullDetail(receipt);
  }

  #summaryForMembers(): WholeSummary {
    const facts = this.#fresh();
    if (this.#forMembers?.facts !== facts) this.#forMembers = { facts, summary: makeSummary(facts, this.#options.maySee) };
    return this.#forMembers.summary;
  }

  #fresh(): SummaryFacts {
    const { facts, now } = this.#options;
    if (this.#facts === undefined || now() - this.#facts.at >= FRESH_MS) this.#facts = { at: now(), facts: facts() };
    return this.#facts.facts;
  }
}
