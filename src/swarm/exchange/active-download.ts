import { errorCode, type ErrorCode } from '../../errors.ts';
import { Grade } from '../../store/blob-store.ts';
import type { WantedPart } from '../swarm.ts';
import type { Holding, MessageOf } from '../protocol/message.ts';
import { DownloadIo } from './download-io.ts';
import type { CrowdJoins } from './crowd-joins.ts';
import { Download, type Command } from './core/download.ts';
import { HelplessWatch } from './core/helpless-watch.ts';
import type { CrowdMember } from './core/lease-table.ts';
import type { NeighbourRole } from './core/neighbour.ts';
import { farZone } from './core/zone-budget.ts';
import { isLeased } from './core/read-plan.ts';
import type { Silent } from './core/silence-watch.ts';
import { makeStrip, type PieceSource } from './core/strip.ts';
import type { PieceLayout } from './core/piece-layout.ts';
import { OutOfTurn } from './out-of-turn.ts';
import { PieceNews } from './piece-news.ts';
import { PieceVerifier } from './piece-verifier.ts';
import { RestoredPieces } from './restored-pieces.ts';
import type { TransferContext } from './transfer-context.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

/** Choices that wait for time to pass (announcements, endgame) are looked at this often. */
const TICK_MS = 50;
/** Members that were asked have this long to answer before anything is read from the origin. */
const HEAD_START_MS = 150;
/** What happens within so little time is looked at together: to choose costs more than to receive a piece. */
const GATHER_MS = 4;
/** What an origin says of a blob that no waiting changes. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['not-found', 'size-mismatch']);

/** Whose download it is. */
export interface DownloadOwner {
  /** Every byte is here and hashed; `partial.verdict` says how. */
  hashed(): void;
  /** Nobody can help any more. */
  starved(): void;
  failed(error: unknown): void;
  /** Pieces that members were told of are gone again: they turned out wrong. */
  lessThanSaid(): void;
}

/** The pieces of one blob while they come in and are passed on: joins the choices with the network, the disk and the clock. */
export class ActiveDownload {
  readonly download: Download;
  readonly verifier: PieceVerifier;
  readonly io: DownloadIo;
  readonly #context: TransferContext;
  readonly #blob: UnfinishedBlob;
  readonly #joins: Pick<CrowdJoins, 'pending' | 'reach'>;
  readonly #owner: DownloadOwner;
  readonly #outOfTurn: OutOfTurn;
  readonly #tick: NodeJS.Timeout;
  readonly #begunAt: number;
  readonly #restored: RestoredPieces;
  readonly #helpless = new HelplessWatch();
  readonly #news: PieceNews;
  #planned = false;
  #plannedAt = Number.NEGATIVE_INFINITY;

  /** @param joins the members that are asked to exchange the blob, while their answers are awaited */
  constructor(context: TransferContext, blob: UnfinishedBlob, joins: Pick<CrowdJoins, 'pending' | 'reach'>, owner: DownloadOwner) {
    const { coordinators, network, now, random } = context;
    this.#context = context;
    this.#blob = blob;
    this.#joins = joins;
    this.#owner = owner;
    this.#begunAt = now();
    this.#news = new PieceNews(network, blob);
    const download = new Download(blob.layout, random);
    this.download = download;
    this.verifier = new PieceVerifier(context, blob, {
      vouched: (pieces) => {
        for (const piece of pieces) {
          download.makeServable(piece);
          this.#outOfTurn.vouched(piece);
        }
      },
      discarded: (pieces) => {
        this.#restored.thrownAway(pieces);
        download.forget(pieces);
        owner.lessThanSaid();
        this.wake();
      },
      accused: (peer) => {
        download.distrust(peer, now());
        for (const fetch of download.neighbours.get(peer)?.fetches.values() ?? []) this.io.cancel(fetch);
        coordinators.distrust(blob.digest, peer);
      },
      forgiven: (peer) => {
        download.forgive(peer, now());
        this.wake();
      },
      replaced: () => void this.advance(),
      failed: (error) => owner.failed(error),
      rivals: () => this.#rivals(),
    });
    this.io = new DownloadIo(context, blob, download, this.verifier, {
      wake: () => this.wake(),
      completed: (piece, grade) => {
        if (grade >= Grade.vouched) this.#outOfTurn.vouched(piece);
        void this.advance();
      },
      failed: (error) => owner.failed(error),
    });
    this.#outOfTurn = new OutOfTurn(context, blob, { download, io: this.io, verifier: this.verifier, pending: joins.pending });
    this.#restored = new RestoredPieces(network, blob, download);
    this.#restored.restore(now());
    this.#tick = setInterval(() => this.wake(), TICK_MS);
  }

  /** Before the unfinished blob is committed or closed. */
  close(): void {
    clearInterval(this.#tick);
    if (this.#blob.over.aborted) return;
    this.io.stop();
    this.#blob.end();
  }

  /** See `makeStrip`. */
  strip(peers: Iterable<string>): Uint8Array {
    const sourceOf = (piece: number): PieceSource => {
      const origin = this.#blob.provenance.get(piece);
      if (origin === undefined || !this.download.have.has(piece)) return 'missing';
      return this.#restored.has(piece) ? 'here' : { peer: origin.sender };
    };
    return makeStrip(this.download.layout.pieceCount, sourceOf, peers);
  }

  // What peers tell

  meet(peerId: string, holding: Holding, wants: boolean): void {
    const { size } = this.download.layout;
    let role: NeighbourRole = 'none';
    if (holding.state === 'complete' && (holding.size === undefined || holding.size === size))
      role = this.#isOrigin(peerId) ? 'origin' : 'complete';
    if (holding.state === 'partial' || (holding.state === 'none' && wants)) role = 'fetching';
    const bits = this.#news.bitsOf(holding);
    const peer = this.#context.network.peer(peerId);
    this.download.meet(peerId, role, bits, this.#context.now(), farZone(this.#context.zone, peer?.zone));
    const neighbour = this.download.neighbours.get(peerId)!;
    neighbour.latencyMs = peer?.latencyMs ?? 0;
    if (role === 'complete') this.verifier.holder(peerId);
    // Who begins to coordinate a blob may not have heard of it while somebody else did.
    if (bits !== undefined && neighbour.relays) this.#context.coordinators.heard(holding.blob, peerId, bits.runs());
    this.wake();
  }

  crowd({ pieceLength, size }: PieceLayout): readonly CrowdMember[] {
    const { have, layout, neighbours } = this.download;
    if (pieceLength !== layout.pieceLength || size !== layout.size) return [];
    const relays = [...neighbours.values()].filter(({ relays: counts }) => counts);
    return [
      { member: this.#context.network.self, bits: have, isComplete: false },
      ...relays.map(({ bits, peer, role }) => ({ member: peer, bits, isComplete: role === 'complete' })),
    ];
  }

  /** It has the blob, or wants it. */
  exchangesWith(peerId: string): boolean {
    return (this.download.neighbours.get(peerId)?.role ?? 'none') !== 'none';
  }

  /** What a neighbour holds besides what it said before. */
  tellsMore(peerId: string, holding: Holding): void {
    if (holding.state === 'complete') this.meet(peerId, holding, false);
    else if (this.download.gained(peerId, this.#news.bitsOf(holding)?.runs() ?? [], false, this.#context.now())) this.wake();
  }

  /** As `PieceNews.tellSince`. */
  tellSince(peerId: string, told: Holding): void {
    this.#news.tellSince(peerId, told, this.download.servable);
  }

  lose(peerId: string): void {
    this.download.lose(peerId);
    this.wake();
  }

  /** False while it is not known that the peer exchanges the blob. */
  gained(peerId: string, message: MessageOf<'have'>): boolean {
    if (!this.download.neighbours.has(peerId)) return false;
    if (this.download.gained(peerId, message.runs, message.forZone, this.#context.now())) this.wake();
    return true;
  }

  /** Bytes from `offset` to the end of its piece, or undefined while they are not vouched for. */
  async vouchedPiece(offset: number): Promise<Buffer | undefined> {
    const { layout, partial } = this.#blob;
    const piece = layout.pieceAt(offset);
    if (piece >= layout.pieceCount || this.#blob.grade(piece) < Grade.vouched) return undefined;
    return await partial.read(offset, layout.range(piece).end - offset);
  }

  /** As `OutOfTurn.bring`. */
  async bring(start: number, wanted: WantedPart): Promise<void> {
    await this.#outOfTurn.bring(start, wanted);
  }

  // Choosing and doing

  wake(): void {
    if (this.#planned || this.#blob.over.aborted) return;
    this.#planned = true;
    setTimeout(
      () => {
        this.#planned = false;
        if (!this.#blob.over.aborted) this.#plan();
      },
      Math.max(0, this.#plannedAt + GATHER_MS - this.#context.now()),
    );
  }

  /** Hashes on as far as the prefix reaches, and says when that is everything. */
  async advance(): Promise<void> {
    try {
      await this.#blob.partial.advance();
      if (this.#blob.partial.verdict !== undefined) this.#owner.hashed();
    } catch (error) {
      this.#owner.failed(error);
    }
  }

  #plan(): void {
    const { coordinators, network } = this.#context;
    const { digest, origin } = this.#blob;
    const now = this.#context.now();
    this.#plannedAt = now;
    const coordinator = coordinators.coordinator(digest);
    this.download.coordinator = coordinator === network.self ? undefined : coordinator;
    const isEarly = now - this.#begunAt < HEAD_START_MS && this.#joins.pending.size > 0;
    this.download.originUsable = origin.usable !== undefined && !isEarly;
    this.download.reach = this.#joins.reach;
    for (const command of this.download.plan(now)) this.#execute(command);
    this.#watch(now);
  }

  #watch(now: number): void {
    const { origin } = this.#blob;
    const helpless = origin.error !== undefined || origin.known === undefined;
    if (!helpless || this.#joins.pending.size > 0 || !this.download.idle(now)) {
      this.#helpless.helped();
      return;
    }
    const final = origin.error !== undefined && FINAL.has(errorCode(origin.error));
    if (this.#helpless.helpless(!final && this.download.have.count > 0, now)) this.#owner.starved();
  }

  #execute(command: Command): void {
    const { coordinators, network } = this.#context;
    const { digest, meter } = this.#blob;
    const blob = digest.toString();
    switch (command.type) {
      case 'have':
        this.#news.tell(command.peers, command.runs, command.forZone);
        coordinators.heard(blob, network.self, command.runs);
        break;
      case 'fetch':
        void this.io.fetch(command.fetch);
        break;
      case 'cancel':
        this.io.cancel(command.fetch);
        break;
      case 'ask-lease':
        void this.#askLease(command);
        break;
      case 'silent':
        meter.stalled(true);
        this.#saySilent(command);
        // Leases are of no use to one whose reading does not get on.
        if (command.read !== undefined && isLeased(command.read)) coordinators.report(digest, command.read.extent, [], 'failed');
        break;
      case 'read':
        void this.io.read(command.read);
        break;
      default:
        command satisfies never;
    }
  }

  async #askLease({ active, pieces, urgent }: Extract<Command, { type: 'ask-lease' }>): Promise<void> {
    const { digest, layout, origin, over, say } = this.#blob;
    const answer = await this.#context.coordinators.ask(
      digest,
      { layout, bits: this.download.have, active, pieces, urgent, ranges: origin.known?.ranges },
      over,
    );
    if (over.aborted) return;
    const now = this.#context.now();
    if ('extents' in answer) {
      for (const command of this.download.leased(answer.extents, now)) {
        if (command.type === 'read')
          say?.('got a lease', {
            first: command.read.extent.first,
            pieces: command.read.extent.count,
            peer: command.read.source,
            from: command.read.source === undefined ? 'origin' : undefined,
          });
        this.#execute(command);
      }
    } else {
      this.download.leaseDelayed(answer.waitMs, now);
    }
    this.wake();
  }

  #saySilent({ fetch, read }: Silent): void {
    const { first, count } = fetch ?? read.extent;
    const peer = fetch === undefined ? read.source : fetch.peer;
    this.#blob.say?.('a source is silent', { peer, from: peer === undefined ? 'origin' : undefined, first, pieces: count });
  }

  #isOrigin(peerId: string): boolean {
    return this.#blob.origin.known?.url === `embedded:${peerId}`;
  }

  #rivals(): string[] {
    return [...this.download.neighbours.values()].filter(({ role }) => role === 'fetching').map(({ peer }) => peer);
  }
}
