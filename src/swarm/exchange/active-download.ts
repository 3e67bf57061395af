import { errorCode, type ErrorCode } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade, type PartialBlob } from '../../store/blob-store.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Say, WantedPart } from '../swarm.ts';
import type { Holding, MessageOf } from '../protocol/message.ts';
import { DownloadIo } from './download-io.ts';
import type { Coordinators } from './coordinators.ts';
import { Bitfield, type Run } from './core/bitfield.ts';
import type { CrowdReach } from './core/crowd-search.ts';
import { Download, type Command } from './core/download.ts';
import { HelplessWatch } from './core/helpless-watch.ts';
import type { NeighbourRole } from './core/neighbour.ts';
import type { PieceLayout } from './core/piece-layout.ts';
import { farZone } from './core/zone-budget.ts';
import { isLeased } from './core/read-plan.ts';
import { makeStrip, type PieceSource } from './core/strip.ts';
import type { OriginAccess } from './origin-access.ts';
import { OutOfTurn } from './out-of-turn.ts';
import type { PeerRates } from './peer-rates.ts';
import { PieceVerifier } from './piece-verifier.ts';
import { Provenance } from './provenance.ts';
import { RestoredPieces } from './restored-pieces.ts';
import type { Strikes } from './strikes.ts';
import type { TransferMeter } from './transfer-meter.ts';

/** Choices that wait for time to pass (announcements, endgame) are looked at this often. */
const TICK_MS = 50;
/** Members that were asked have this long to answer before anything is read from the origin. */
const HEAD_START_MS = 150;
/** What happens within so little time is looked at together: to choose costs more than to receive a piece. */
const GATHER_MS = 4;
/** What an origin says of a blob that no waiting changes. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['not-found', 'size-mismatch']);

export interface ActiveDownloadOptions {
  readonly network: BlobNetwork;
  readonly coordinators: Coordinators;
  readonly now: () => number;
  readonly random: () => number;
  readonly digest: Digest;
  readonly repository: string;
  /** This node's own; undefined where zones do not matter. */
  readonly zone: string | undefined;
  readonly layout: PieceLayout;
  readonly partial: PartialBlob;
  readonly origin: OriginAccess;
  readonly meter: TransferMeter;
  readonly rates: PeerRates;
  readonly say: Say | undefined;
  readonly strikes: Strikes;
  /** Pieces that the peer is answerable for turned out wrong. */
  broughtWrong(peer: string, pieces: number): void;
  /** Answers of members that are awaited: too early to say that nobody can help. */
  readonly pending: ReadonlySet<Promise<void>>;
  reach(): CrowdReach;
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
  readonly #options: ActiveDownloadOptions;
  readonly #abort = new AbortController();
  readonly #outOfTurn: OutOfTurn;
  readonly #tick: NodeJS.Timeout;
  readonly #begunAt: number;
  readonly #provenance = new Provenance();
  readonly #restored: RestoredPieces;
  readonly #helpless = new HelplessWatch();
  #planned = false;
  #plannedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ActiveDownloadOptions) {
    const { digest, layout, meter, network, now, origin, partial, repository } = options;
    this.#options = options;
    this.#begunAt = now();
    const download = new Download(layout, options.random);
    const provenance = this.#provenance;
    this.download = download;
    this.verifier = new PieceVerifier({ network, now, strikes: options.strikes }, digest, partial, layout, provenance, {
      vouched: (pieces) => {
        for (const piece of pieces) {
          download.makeServable(piece);
          this.#outOfTurn.vouched(piece);
        }
      },
      discarded: (pieces) => {
        this.#restored.thrownAway(pieces);
        download.forget(pieces);
        options.lessThanSaid();
        this.wake();
      },
      accused: (peer) => {
        download.distrust(peer, now());
        for (const fetch of download.neighbours.get(peer)?.fetches.values() ?? []) this.io.cancel(fetch);
        options.coordinators.distrust(digest, peer);
      },
      forgiven: (peer) => {
        download.forgive(peer, now());
        this.wake();
      },
      replaced: () => void this.advance(),
      broughtWrong: (peer, pieces) => options.broughtWrong(peer, pieces),
      failed: (error) => options.failed(error),
      origin: () => origin.usable,
      repository,
      rivals: () => this.#rivals(),
      say: options.say,
      meter,
    });
    this.io = new DownloadIo({
      network,
      now,
      digest,
      repository,
      download,
      partial,
      provenance,
      verifier: this.verifier,
      meter,
      rates: options.rates,
      say: options.say,
      signal: this.#abort.signal,
      origin: () => origin.usable,
      wake: () => this.wake(),
      completed: (piece, grade) => {
        if (grade >= Grade.vouched) this.#outOfTurn.vouched(piece);
        void this.advance();
      },
      originFailed: (error) => {
        origin.failed(error);
        meter.stalled(errorCode(error) === 'timeout');
      },
      leaseEnded: (read, done, outcome) => {
        if (outcome === 'done') origin.succeeded();
        if (isLeased(read)) options.coordinators.report(digest, read.extent, done, outcome);
      },
    });
    this.#outOfTurn = new OutOfTurn({
      network,
      digest,
      now,
      download,
      partial,
      io: this.io,
      verifier: this.verifier,
      pending: options.pending,
      signal: this.#abort.signal,
      originUsable: () => origin.usable !== undefined,
    });
    this.#restored = new RestoredPieces(network, digest, partial, download, provenance, this.#abort.signal);
    this.#restored.restore(now());
    this.#tick = setInterval(() => this.wake(), TICK_MS);
  }

  close(): void {
    clearInterval(this.#tick);
    this.verifier.stop();
    if (!this.#abort.signal.aborted) this.io.stop();
    this.#abort.abort();
  }

  /** See `makeStrip`. */
  strip(peers: Iterable<string>): Uint8Array {
    const sourceOf = (piece: number): PieceSource => {
      const origin = this.#provenance.get(piece);
      if (origin === undefined || !this.download.have.has(piece)) return 'missing';
      return this.#restored.has(piece) ? 'here' : { peer: origin.sender };
    };
    return makeStrip(this.download.layout.pieceCount, sourceOf, peers);
  }

  // What peers tell

  meet(peerId: string, holding: Holding, wants: boolean): void {
    const { size, pieceLength, pieceCount } = this.download.layout;
    let role: NeighbourRole = 'none';
    let bits: Bitfield | undefined;
    if (holding.state === 'complete' && (holding.size === undefined || holding.size === size))
      role = this.#isOrigin(peerId) ? 'origin' : 'complete';
    if (holding.state === 'partial' || (holding.state === 'none' && wants)) role = 'fetching';
    if (holding.state === 'partial' && holding.size === size && holding.pieceLength === pieceLength && holding.bits !== undefined) {
      bits = Bitfield.fromBytes(holding.bits, pieceCount);
    }
    const peer = this.#options.network.peer(peerId);
    this.download.meet(peerId, role, bits, this.#options.now(), farZone(this.#options.zone, peer?.zone));
    this.download.neighbours.get(peerId)!.latencyMs = peer?.latencyMs ?? 0;
    if (role === 'complete') this.verifier.holder(peerId);
    this.wake();
  }

  lose(peerId: string): void {
    this.download.lose(peerId);
    this.wake();
  }

  /** False while it is not known that the peer exchanges the blob. */
  gained(peerId: string, message: MessageOf<'have'>): boolean {
    if (!this.download.neighbours.has(peerId)) return false;
    if (this.download.gained(peerId, message.runs, message.forZone, this.#options.now())) this.wake();
    return true;
  }

  /** Bytes from `offset` to the end of its piece, or undefined while they are not vouched for. */
  async vouchedPiece(offset: number): Promise<Buffer | undefined> {
    const { layout, partial } = this.#options;
    const piece = layout.pieceAt(offset);
    if (piece >= layout.pieceCount || partial.grade(piece) < Grade.vouched) return undefined;
    return await partial.read(offset, layout.range(piece).end - offset);
  }

  /** As `OutOfTurn.bring`. */
  async bring(start: number, wanted: WantedPart): Promise<void> {
    await this.#outOfTurn.bring(start, wanted);
  }

  // Choosing and doing

  wake(): void {
    if (this.#planned || this.#abort.signal.aborted) return;
    this.#planned = true;
    setTimeout(
      () => {
        this.#planned = false;
        if (!this.#abort.signal.aborted) this.#plan();
      },
      Math.max(0, this.#plannedAt + GATHER_MS - this.#options.now()),
    );
  }

  /** Hashes on as far as the prefix reaches, and says when that is everything. */
  async advance(): Promise<void> {
    try {
      await this.#options.partial.advance();
      if (this.#options.partial.verdict !== undefined) this.#options.hashed();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  #plan(): void {
    const { coordinators, digest, network, origin } = this.#options;
    const now = this.#options.now();
    this.#plannedAt = now;
    const coordinator = coordinators.coordinator(digest);
    this.download.coordinator = coordinator === network.self ? undefined : coordinator;
    const isEarly = now - this.#begunAt < HEAD_START_MS && this.#options.pending.size > 0;
    this.download.originUsable = origin.usable !== undefined && !isEarly;
    this.download.reach = this.#options.reach();
    for (const command of this.download.plan(now)) this.#execute(command);
    this.#watch(now);
  }

  #watch(now: number): void {
    const { origin } = this.#options;
    const helpless = origin.error !== undefined || origin.known === undefined;
    if (!helpless || this.#options.pending.size > 0 || !this.download.idle(now)) {
      this.#helpless.helped();
      return;
    }
    const final = origin.error !== undefined && FINAL.has(errorCode(origin.error));
    if (this.#helpless.helpless(!final && this.download.have.count > 0, now)) this.#options.starved();
  }

  #execute(command: Command): void {
    const { coordinators, digest, meter, network } = this.#options;
    const blob = digest.toString();
    switch (command.type) {
      case 'have': {
        // One for all, which is encoded once.
        const have: MessageOf<'have'> = { type: 'have', blob, runs: command.runs.map(copyRun), forZone: command.forZone };
        for (const peer of command.peers) network.send(peer, have);
        coordinators.heard(blob, network.self, command.runs);
        break;
      }
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
    const { coordinators, digest, layout, origin } = this.#options;
    const answer = await coordinators.ask(
      digest,
      { layout, bits: this.download.have, active, pieces, urgent, ranges: origin.known?.ranges },
      this.#abort.signal,
    );
    if (this.#abort.signal.aborted) return;
    const now = this.#options.now();
    if ('extents' in answer) {
      for (const command of this.download.leased(answer.extents, now)) {
        if (command.type === 'read')
          this.#options.say?.('got a lease', {
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

  #isOrigin(peerId: string): boolean {
    return this.#options.origin.known?.url === `embedded:${peerId}`;
  }

  #rivals(): string[] {
    return [...this.download.neighbours.values()].filter(({ role }) => role === 'fetching').map(({ peer }) => peer);
  }
}

function copyRun([first, count]: Run): Run {
  return [first, count];
}
