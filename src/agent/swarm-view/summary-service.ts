import { LayerswarmError } from '../../errors.ts';
import type { Receipt } from '../../status/status-document.ts';
import type { Network } from '../../swarm/network/network.ts';
import { makePullDetail, makeSummary, newsOf, type MaySee, type PullDetail, type SummaryFacts, type WholeSummary } from './summary.ts';

/** However many ask, a summary is made this often. */
const FRESH_MS = 900;

export interface SummaryServiceOptions {
  readonly network: Pick<Network, 'handle'>;
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
  #facts: { readonly at: number; readonly facts: SummaryFacts } | undefined;
  #forMembers: { readonly facts: SummaryFacts; readonly summary: WholeSummary } | undefined;

  constructor(options: SummaryServiceOptions) {
    this.#options = options;
    const { network, maySee } = options;
    network.handle('get-summary', (known) => newsOf(this.#summaryForMembers(), known));
    network.handle('get-pull', ({ id }) => this.#pull(id, maySee));
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
