import { LayerswarmError } from '../../errors.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Holding, MessageOf } from '../protocol/message.ts';
import type { BlobRequest } from '../swarm.ts';
import type { BlobSources } from './blob-sources.ts';
import { findSmall, MAX_WHOLE_BYTES } from './lookup.ts';
import type { OriginAccess } from './origin-access.ts';

/** Bounds what is kept of members that have not said yet what they have. */
const MAX_EARLY_PEERS = 256;
const MAX_EARLY_NEWS = 64;

/** What a member says of the blob. */
export interface MemberSaid {
  readonly holding: Holding;
  readonly wants: boolean;
}

/** The same when this node asked it, saying `told` of itself. */
export interface MemberAnswer extends MemberSaid {
  readonly told: Holding;
}

export interface BlobFindingOptions {
  readonly network: BlobNetwork;
  readonly request: BlobRequest;
  readonly sources: BlobSources;
  readonly origin: OriginAccess;
  /** Answers of members that are awaited. */
  readonly pending: ReadonlySet<Promise<void>>;
  readonly signal: AbortSignal;
}

/** The beginning of a transfer: of a small blob its bytes at once, of any other its size, and who answered until that was known. */
export class BlobFinding {
  readonly #options: BlobFindingOptions;
  readonly #said = new Map<string, MemberSaid>();
  readonly #answers = new Map<string, MemberAnswer>();
  readonly #news = new Map<string, MessageOf<'have'>[]>();

  constructor(options: BlobFindingOptions) {
    this.#options = options;
  }

  /** The member asked this node, or has the blob now. */
  said(peerId: string, said: MemberSaid): void {
    this.#said.set(peerId, said);
  }

  answered(peerId: string, answer: MemberAnswer): void {
    this.#answers.set(peerId, answer);
  }

  /** News of pieces goes another way than the answer that says what the member has, and may overtake it. */
  early(peerId: string, news: MessageOf<'have'>): void {
    const before = this.#news.get(peerId);
    if (before === undefined && this.#news.size < MAX_EARLY_PEERS) this.#news.set(peerId, [news]);
    else if (before !== undefined && before.length < MAX_EARLY_NEWS) before.push(news);
  }

  takeEarly(peerId: string): readonly MessageOf<'have'>[] {
    const news = this.#news.get(peerId) ?? [];
    this.#news.delete(peerId);
    return news;
  }

  left(peerId: string): void {
    this.#said.delete(peerId);
    this.#answers.delete(peerId);
    this.#news.delete(peerId);
  }

  /** What members said, for whoever goes on from here. */
  takeSaid(): [string, MemberSaid][] {
    const said = [...this.#said];
    this.#said.clear();
    return said;
  }

  takeAnswers(): [string, MemberAnswer][] {
    const answers = [...this.#answers];
    this.#answers.clear();
    return answers;
  }

  /** A small blob that a near member holds comes with its answer, or whole from it alone: a round trip or two. */
  async small(): Promise<{ bytes: Uint8Array; peer: string } | undefined> {
    const {
      network,
      request: { digest, size, sources, pull },
      signal,
    } = this.#options;
    if (size === undefined ? sources !== 'peers' : size > MAX_WHOLE_BYTES) return undefined;
    return await findSmall(network, digest, { size, pull }, signal);
  }

  /** As the request says; from the origin; else, while that is away, what a member says that holds it: the digest will tell. */
  async size(): Promise<number> {
    const {
      origin,
      pending,
      request: { digest, repository, size },
      signal,
    } = this.#options;
    if (size !== undefined) return size;
    try {
      if (origin.known !== undefined) return await origin.known.blobSize(repository, digest, signal);
    } catch (error) {
      origin.failed(error);
    }
    while (this.#claimedSize() === undefined && pending.size > 0) await Promise.race(pending);
    const claimed = this.#claimedSize();
    if (claimed === undefined) throw this.nobodyHelps();
    return claimed;
  }

  /** Why the blob cannot be had. */
  nobodyHelps(): unknown {
    const {
      origin,
      request: { digest, sources: wanted },
      sources,
    } = this.#options;
    if (!sources.isKnown && wanted === 'peers') return new LayerswarmError('not-found', `no member of the swarm has ${digest.toString()}`);
    if (origin.error !== undefined) return origin.error;
    return new LayerswarmError('unavailable', `no member of the swarm has ${digest.toString()}, and no origin is known to read it from`);
  }

  #claimedSize(): number | undefined {
    for (const { holding } of [...this.#said.values(), ...this.#answers.values()])
      if (holding.state === 'complete' && holding.size !== undefined) return holding.size;
    return undefined;
  }
}
