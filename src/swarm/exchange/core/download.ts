import type { Bitfield, Run } from './bitfield.ts';
import { Announcer } from './announcer.ts';
import type { CrowdReach } from './crowd-search.ts';
import { compareLoad, isEndgame, LONGEST_RUN, planFetches, RUNS_ASKED, superfluous } from './fetch-plan.ts';
import type { Extent } from './lease-table.ts';
import { Fetches } from './fetches.ts';
import { DOWNLOAD_LIMITS, type DownloadLimits } from './limits.ts';
import type { Fetch, Neighbour, NeighbourRole } from './neighbour.ts';
import { Neighbourhood } from './neighbourhood.ts';
import { Pace } from './pace.ts';
import type { PieceLayout } from './piece-layout.ts';
import { PieceTable } from './piece-table.ts';
import { ReadPlan, type Read } from './read-plan.ts';
import { SilenceWatch, type Silent } from './silence-watch.ts';
import { ImportGuard, oneOfEachZone } from './zone-budget.ts';

/** What the download wants done. Whoever carries it out (the node, the simulator) reports back through the methods. */
export type Command =
  | { readonly type: 'fetch'; readonly fetch: Fetch }
  | { readonly type: 'cancel'; readonly fetch: Fetch }
  | { readonly type: 'read'; readonly read: Read }
  /** A source has fallen silent, and others are asked. */
  | ({ readonly type: 'silent' } & Silent)
  /** `urgent`: few or none bring pieces here, so that this node cannot leave the reading to others. */
  | { readonly type: 'ask-lease'; readonly pieces: number; readonly active: readonly Run[]; readonly urgent: boolean }
  /** `forZone`: each of the peers is to fetch them for its zone. */
  | { readonly type: 'have'; readonly peers: readonly string[]; readonly runs: readonly Run[]; readonly forZone: boolean };

export type FetchOutcome = 'done' | 'failed' | 'absent' | 'cancelled';

/** Who brought a piece. */
export interface ArrivedBy {
  readonly fetch?: Fetch;
  readonly read?: Read;
}

/**
 * The choices of one download: which pieces to ask whom for, which extents to read under a lease, what to tell whom. Knows no
 * network, disk or clock: events come in through methods with the time in ms, commands come out of `plan`.
 *
 * While more members fetch the blob than hold it, new pieces come in under leases, each once. Who has news tells it, and the
 * others ask for it, the rarest first, a few pieces at a time; in a crowd too large for a mesh each host does so with some of the others.
 * One member of each other zone is told first. With more holders than that, holders are asked directly, in order.
 */
export class Download {
  /** The member that hands out leases, when it is not this node: told what this node has. */
  coordinator: string | undefined;
  /** False while nothing may be asked of the origin: it is away, or not known. */
  originUsable = true;
  reach: CrowdReach = 'all';
  readonly #table: PieceTable;
  readonly #neighbourhood: Neighbourhood;
  readonly #fetches: Fetches;
  readonly #reads: ReadPlan;
  readonly #announcer: Announcer;
  readonly #limits: DownloadLimits;
  readonly #random: () => number;
  readonly #guard: ImportGuard;
  #leasePending = false;
  /** The coordinator that was asked for a lease last; undefined for this node. */
  #askedOf: string | undefined;
  #leaseWaitUntil = 0;
  readonly #pace: Pace;
  readonly #silence: SilenceWatch;
  /** When the last piece came, or the first choice was made. */
  #arrivedAt: number | undefined;
  /** A piece came while somebody else was bringing it, too. */
  #overtook = false;

  constructor(layout: PieceLayout, random: () => number, limits = DOWNLOAD_LIMITS) {
    this.#table = new PieceTable(layout);
    this.#neighbourhood = new Neighbourhood(this.#table);
    this.#fetches = new Fetches(this.#table, limits);
    this.#reads = new ReadPlan(this.#table, limits);
    this.#announcer = new Announcer(limits);
    this.#random = random;
    this.#guard = new ImportGuard(layout.pieceCount, random);
    this.#limits = limits;
    this.#pace = new Pace(layout, limits);
    this.#silence = new SilenceWatch(this.#neighbourhood, this.#fetches, this.#reads);
  }

  get layout(): PieceLayout {
    return this.#table.layout;
  }

  get have(): Bitfield {
    return this.#table.have;
  }

  /** Pieces that others may be given. */
  get servable(): Bitfield {
    return this.#table.servable;
  }

  get neighbours(): ReadonlyMap<string, Neighbour> {
    return this.#neighbourhood.all;
  }

  /** Others fetch the blob, too. */
  get isShared(): boolean {
    return this.#neighbourhood.fetching.length > 0;
  }

  /** Extents that are being read. */
  get reading(): number {
    return this.#reads.reads.size;
  }

  // Neighbours

  meet(peer: string, role: NeighbourRole, bits: Bitfield | undefined, now: number, farZone?: string): void {
    this.#neighbourhood.meet(peer, role, bits, farZone, now);
  }

  /** Requests to it that are under way are reported as ended by whoever carries them out. */
  lose(peer: string): void {
    this.#neighbourhood.lose(peer);
  }

  /** It brought wrong bytes. */
  distrust(peer: string, now: number): void {
    this.#neighbourhood.distrust(peer, now);
  }

  /** It brought wrong bytes, and is not to blame. */
  forgive(peer: string, now: number): void {
    this.#neighbourhood.forgive(peer, now);
  }

  /** True when there is something new to choose. `forZone`: as in the command. */
  gained(peer: string, runs: readonly Run[], forZone: boolean, now: number): boolean {
    const neighbour = this.neighbours.get(peer);
    if (neighbour?.role !== 'fetching') return false;
    this.#neighbourhood.gained(neighbour, runs, forZone, now);
    return neighbour.forZone.size > 0 || (this.#table.offered.size > 0 && this.#fetches.asked < this.#pace.mostAsked);
  }

  // Pieces

  /** A piece is here. `servable`: its bytes are vouched for, so that others may have it. */
  arrived(piece: number, by: ArrivedBy, servable: boolean, now: number): void {
    this.heard(by, now);
    if (by.read !== undefined) this.#reads.arrived(by.read, now);
    if (by.fetch !== undefined) this.#fetches.arrived(by.fetch, now);
    if (!this.#table.got(piece)) return;
    this.#pace.arrived(piece, now);
    this.#arrivedAt = now;
    if (this.#table.coming[piece]! > (by.fetch === undefined && by.read === undefined ? 0 : 1)) this.#overtook = true;
    if (!servable) return;
    this.makeServable(piece);
    if (by.read !== undefined) this.#announcer.addFirst(piece, by.read.toldFirst);
  }

  makeServable(piece: number): void {
    if (this.servable.set(piece)) this.#announcer.add(piece);
  }

  /** Pieces turned out wrong: they are wanted again. */
  forget(pieces: Iterable<number>): void {
    for (const piece of pieces) this.#table.forget(piece);
  }

  /** A request is over, whole or not; what of it did not arrive is wanted again. `absent`: the peer has not got it any more. */
  fetchEnded(fetch: Fetch, outcome: FetchOutcome, now: number): void {
    this.#fetches.ended(fetch);
    const neighbour = this.neighbours.get(fetch.peer);
    if (neighbour === undefined || !neighbour.fetches.delete(fetch.id)) return;
    if (fetch.isSilent) this.#neighbourhood.unmute(neighbour, now);
    if (outcome === 'failed' || outcome === 'absent') neighbour.failed(now);
    if (outcome === 'absent' && neighbour.relays) this.#neighbourhood.lacks(neighbour, [fetch.first, fetch.count], now);
    if (outcome === 'done') {
      neighbour.succeeded();
      neighbour.measured(this.layout.bytes(fetch.first, fetch.count), now - fetch.startedAt);
    }
  }

  // Leases

  leased(extents: readonly Extent[], now: number): Command[] {
    this.#leasePending = false;
    this.#reads.answered(now);
    const commands: Command[] = [];
    for (const extent of extents) {
      if (extent.first + extent.count > this.layout.pieceCount || extent.count === 0) continue;
      commands.push({ type: 'read', read: this.#beginRead(extent, this.#leaseSource(now), now) });
    }
    return commands;
  }

  leaseDelayed(ms: number, now: number): void {
    this.#leasePending = false;
    this.#reads.answered(now);
    this.#leaseWaitUntil = now + ms;
  }

  readEnded(read: Read, now: number): void {
    this.#reads.end(read, now);
  }

  /** Bytes of it came, not yet a whole piece. */
  heard(by: ArrivedBy, now: number): void {
    const { fetch, read } = by;
    if (read !== undefined) read.heardAt = now;
    if (fetch === undefined || !this.#fetches.heard(fetch, now)) return;
    const neighbour = this.neighbours.get(fetch.peer);
    if (neighbour !== undefined) this.#neighbourhood.unmute(neighbour, now);
  }

  // Out of turn

  /** Members that have the piece and may be asked for it now: those near first, then those with the least to do. */
  holdersOf(piece: number, now: number): Neighbour[] {
    const { holders, relays } = this.#neighbourhood;
    return [...holders, ...relays].filter(({ bits, pausedUntil }) => pausedUntil <= now && bits.has(piece)).sort(compareLoad);
  }

  /** Somebody brings these, whatever is chosen here. */
  claim(run: Run): void {
    this.#table.claim(run);
  }

  release(run: Run): void {
    this.#table.release(run);
  }

  /** A client waits for pieces from `first` on: as many of `count` as nobody brings are read at once, under no lease. Undefined where that is none. */
  readOutOfTurn(first: number, count: number, now: number): Read | undefined {
    const extent = this.#reads.outOfTurn(first, count);
    return extent === undefined ? undefined : this.#beginRead(extent, undefined, now);
  }

  // Choosing

  plan(now: number): Command[] {
    const commands: Command[] = [];
    this.#arrivedAt ??= now;
    if (!this.have.isFull) {
      for (const silent of this.#silence.look(now)) commands.push({ type: 'silent', ...silent });
      this.#planLeases(now, commands);
      this.#planFetches(now, commands);
    }
    this.#planCancels(commands);
    this.#planNews(now, commands);
    return commands;
  }

  /** Nothing is under way, and something is missing. */
  idle(now: number): boolean {
    if (this.have.isFull || this.#reads.reads.size > 0 || this.#leasePending || this.#leaseWaitUntil > now) return false;
    return [...this.neighbours.values()].every(({ fetches }) => fetches.size === 0);
  }

  #beginRead(extent: Extent, source: string | undefined, now: number): Read {
    const toldFirst = oneOfEachZone(this.#neighbourhood.fetching, this.#random).map(({ peer }) => peer);
    return this.#reads.begin(extent, source, toldFirst, now);
  }

  #planLeases(now: number, commands: Command[]): void {
    if (this.#leasePending || now < this.#leaseWaitUntil) return;
    // Another coordinator than before knows of leases what their holders say when they ask, and gives away what it does not know of.
    const unknown = this.#reads.reads.size > 0 && this.#askedOf !== this.coordinator;
    if ((this.#table.unclaimed.size === 0 && !unknown) || !this.#neighbourhood.isCrowd(now)) return;
    if (!this.originUsable && this.#leaseSource(now) === undefined) return;
    const pieces = Math.max(Number(unknown), this.#reads.wanted(this.#neighbourhood.fetching.length === 0, now));
    if (pieces === 0) return;
    this.#leasePending = true;
    this.#reads.asked(now);
    this.#askedOf = this.coordinator;
    const urgent = this.reach !== 'some' || now - (this.#arrivedAt ?? now) > this.#limits.urgentAfterMs;
    commands.push({ type: 'ask-lease', pieces, urgent, active: this.#reads.active() });
  }

  #planFetches(now: number, commands: Command[]): void {
    const { offered } = this.#table;
    const { relays, holders } = this.#neighbourhood;
    const direct = holders.length === 0 || this.#neighbourhood.isCrowd(now) ? [] : holders;
    const most = this.#pace.mostAsked;
    const room = most - this.#fetches.asked;
    const relayed =
      (offered.size > 0 && room > 0) || isEndgame(this.#table) || relays.some(({ forZone }) => forZone.size > 0) ? relays : [];
    if (direct.length === 0 && relayed.length === 0) return;
    planFetches({
      table: this.#table,
      sources: direct.length === 0 ? relayed : [...direct, ...relayed],
      room,
      longest: Math.min(LONGEST_RUN, Math.floor(most / RUNS_ASKED)),
      limits: this.#limits,
      guard: this.#guard,
      patienceMs: this.#pace.patienceMs(this.#neighbourhood.fetching.length),
      now,
      random: this.#random,
      begin: (source, run) => {
        commands.push({ type: 'fetch', fetch: this.#fetches.begin(source, run, now) });
      },
      cancel: (fetch) => {
        commands.push({ type: 'cancel', fetch });
      },
    });
  }

  #planCancels(commands: Command[]): void {
    if (!this.#overtook) return;
    this.#overtook = false;
    for (const neighbour of this.neighbours.values()) {
      if (neighbour.fetches.size === 0) continue;
      for (const fetch of superfluous(this.#table, neighbour)) commands.push({ type: 'cancel', fetch });
    }
  }

  #planNews(now: number, commands: Command[]): void {
    const { fetching } = this.#neighbourhood;
    const coordinator =
      this.coordinator === undefined || this.neighbours.get(this.coordinator)?.role === 'fetching' ? undefined : this.coordinator;
    const { servable } = this;
    const { pieceMs } = this.#pace;
    for (const news of this.#announcer.news({ fetching, coordinator, servable, isMesh: this.reach === 'all', pieceMs }, now))
      commands.push({ type: 'have', ...news });
  }

  /** A holder, drawn by chance so that they share the work, or undefined: the origin. */
  #leaseSource(now: number): string | undefined {
    const holders = this.#neighbourhood.holders.filter(({ isSilent, pausedUntil }) => pausedUntil <= now && !isSilent);
    return holders.length === 0 ? undefined : holders[Math.floor(this.#random() * holders.length)]!.peer;
  }
}
