import type { Holding, MessageOf } from '../protocol/message.ts';
import type { BlobRequest, Say } from '../swarm.ts';
import type { ActiveDownload } from './active-download.ts';
import { BlobFinding, type MemberAnswer } from './blob-finding.ts';
import type { BlobSources } from './blob-sources.ts';
import { CrowdJoins } from './crowd-joins.ts';
import type { OriginAccess } from './origin-access.ts';
import type { TransferContext } from './transfer-context.ts';

export interface TransferCrowdOptions {
  readonly context: TransferContext;
  readonly request: BlobRequest;
  readonly sources: BlobSources;
  readonly origin: OriginAccess;
  readonly say: Say | undefined;
  readonly signal: AbortSignal;
  /** What this node tells others that it has. */
  readonly holding: () => Holding;
  /** Undefined while there are no pieces to exchange. */
  readonly active: () => ActiveDownload | undefined;
  /** Members are asked, and heard. */
  readonly isJoining: () => boolean;
}

/** The members that one transfer meets: what they say of the blob reaches its download, or waits until there is one. */
export class TransferCrowd {
  readonly joins: CrowdJoins;
  readonly finding: BlobFinding;
  readonly #blob: string;
  readonly #options: TransferCrowdOptions;

  constructor(options: TransferCrowdOptions) {
    const { context, origin, request, signal, sources } = options;
    this.#options = options;
    this.#blob = request.digest.toString();
    this.joins = new CrowdJoins({
      network: context.network,
      random: context.random,
      zone: context.zone,
      signal,
      message: () => ({ type: 'join', holding: options.holding(), wants: true, pull: request.pull }),
      answered: (peerId, answer) => this.#answered(peerId, answer),
      ended: () => options.active()?.wake(),
    });
    this.finding = new BlobFinding({ network: context.network, request, sources, origin, pending: this.joins.pending, signal });
  }

  onPeerJoined(peerId: string): void {
    if (this.#options.isJoining()) this.joins.add(peerId);
  }

  onPeerLeft(peerId: string): void {
    this.finding.left(peerId);
    this.#options.active()?.lose(peerId);
    this.joins.remove(peerId, this.#options.isJoining());
  }

  /** A member asks to exchange the blob; false when this node does so with enough others. */
  onJoin(peerId: string, holding: Holding, wants: boolean): boolean {
    if (!this.joins.accept(peerId, holding, wants)) return false;
    this.#met(peerId, holding, wants);
    return true;
  }

  onHave(peerId: string, message: MessageOf<'have'>): void {
    const { active, isJoining } = this.#options;
    if (isJoining() && active()?.gained(peerId, message) !== true) this.finding.early(peerId, message);
  }

  onLeave(peerId: string, complete: boolean): void {
    if (complete) this.#met(peerId, { blob: this.#blob, state: 'complete' }, false);
    else this.onPeerLeft(peerId);
  }

  /** There are pieces to exchange: goes on with what members said until now. */
  begun(): void {
    for (const [peerId, { holding, wants }] of this.finding.takeSaid()) this.#met(peerId, holding, wants);
    for (const [peerId, answer] of this.finding.takeAnswers()) this.#answered(peerId, answer);
  }

  /** A member that this node asked. */
  #answered(peerId: string, answer: MemberAnswer): void {
    const active = this.#options.active();
    if (active === undefined) {
      this.finding.answered(peerId, answer);
      return;
    }
    // It may have asked for itself meanwhile: what it said then is newer than a part of its answer perhaps, and older than another.
    if (active.exchangesWith(peerId)) active.tellsMore(peerId, answer.holding);
    else this.#met(peerId, answer.holding, answer.wants);
    if (answer.wants) active.tellSince(peerId, answer.told);
  }

  #met(peerId: string, holding: Holding, wants: boolean): void {
    const { active, say } = this.#options;
    if (holding.state !== 'none' || wants) say?.('found a member', { peer: peerId, holds: holding.state });
    const download = active();
    if (download === undefined) {
      this.finding.said(peerId, { holding, wants });
      return;
    }
    download.meet(peerId, holding, wants);
    for (const news of this.finding.takeEarly(peerId)) download.gained(peerId, news);
  }
}
