import { Bitfield, runsOf, type Run } from './bitfield.ts';
import { planFetches, superfluous } from './fetch-plan.ts';
import type { Extent } from './lease-table.ts';
import { DOWNLOAD_LIMITS, type DownloadLimits } from './limits.ts';
import { Neighbour, type Fetch, type NeighbourRole } from './neighbour.ts';
import type { PieceLayout } from './piece-layout.ts';
import { PieceTable } from './piece-table.ts';
import { ReadPlan, type Read } from './read-plan.ts';

/** What the download wants done. Whoever carries it out (the node, the simulator) reports back through the methods. */
export type Command =
  | { readonly type: 'fetch'; readonly fetch: Fetch }
  | { readonly type: 'cancel'; readonly fetch: Fetch }
  | { readonly type: 'push'; readonly peer: string; readonly piece: number }
  | { readonly type: 'read'; readonly read: Read }
  | { readonly type: 'ask-lease'; readonly pieces: number; readonly active: readonly Run[] }
  | { readonly type: 'have'; readonly peers: readonly string[]; readonly runs: readonly Run[] }
  | { readonly type: 'promise'; readonly peers: readonly string[]; readonly runs: readonly Run[] };

export type FetchOutcome = 'done' | 'failed' | 'absent' | 'cancelled';

/** Who brought a piece. */
export interface ArrivedBy {
  readonly push?: string;
  readonly fetch?: Fetch;
  readonly read?: Read;
}

/**
 * The choices of one download: which pieces to ask whom for, which extents to read under a lease, what to push to whom. Knows no
 * network, disk or clock: events come in through methods with the time in ms, commands come out of `plan`.
 *
 * Two ways to get pieces. While more members fetch the blob than hold it, new pieces come in under leases, each once, and their
 * readers push them to everyone. Otherwise holders are asked directly, in order. Either way a piece that another fetcher has
 * is asked for, rarest first.
 */
export class Download {
  readonly neighbours = new Map<string, Neighbour>();
  /** The member that hands out leases, when it is not this node: told what this node has. */
  coordinator: string | undefined;
  /** False while nothing may be asked of the origin: it is away, or not known. */
  originUsable = true;
  readonly #table: PieceTable;
  readonly #reads: ReadPlan;
  readonly #limits: DownloadLimits;
  readonly #random: () => number;
  #unannounced: number[] = [];
  #announcedAt = 0;
  #leasePending = false;
  #leaseWaitUntil = 0;
  #nextFetch = 1;

  constructor(layout: PieceLayout, random: () => number, limits = DOWNLOAD_LIMITS) {
    this.#table = new PieceTable(layout);
    this.#reads = new ReadPlan(layout, limits);
    this.#random = random;
    this.#limits = limits;
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

  // Neighbours

  meet(peer: string, role: NeighbourRole, bits: Bitfield | undefined, credit: number, now: number, near = true): void {
    const has = role === 'complete' || role === 'origin' ? Bitfield.full(this.layout.pieceCount) : (bits ?? new Bitfield(this.layout.pieceCount));
    const known = this.neighbours.get(peer);
    if (known?.role === 'fetching') this.#table.count(known.bits, -1);
    const neighbour = known ?? new Neighbour(peer, role, has, credit);
    neighbour.role = role;
    neighbour.bits = has;
    neighbour.credit = credit;
    neighbour.near = near;
    this.neighbours.set(peer, neighbour);
    if (role !== 'fetching') {
      neighbour.pushQueue.clear();
      return;
    }
    this.#table.count(has, 1);
    for (const [first, count] of has.runs()) for (const piece of this.#table.within([first, count])) this.#table.see(piece, now);
  }

  /** Requests to it that are under way are reported as ended by whoever carries them out. */
  lose(peer: string): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour === undefined) return;
    if (neighbour.role === 'fetching') this.#table.count(neighbour.bits, -1);
    this.#forgetPromises(neighbour);
    this.neighbours.delete(peer);
  }

  gained(peer: string, runs: readonly Run[], backlogBytes: number, now: number): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour?.role !== 'fetching') return;
    neighbour.backlogBytes = backlogBytes;
    for (const run of runs) {
      for (const piece of this.#table.within(run)) {
        if (neighbour.bits.set(piece)) this.#table.availability[piece]!++;
        neighbour.pushQueue.delete(piece);
        this.#table.see(piece, now);
      }
    }
  }

  promised(peer: string, runs: readonly Run[], now: number): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour === undefined) return;
    neighbour.heardPusherAt = now;
    for (const run of runs) {
      for (const piece of this.#table.within(run)) {
        if (this.have.has(piece) || neighbour.promised.has(piece)) continue;
        neighbour.promised.add(piece);
        this.#table.promises[piece]!++;
      }
    }
  }

  // Pieces

  /** A piece is here. `servable`: its bytes are vouched for, so that others may have it. */
  arrived(piece: number, by: ArrivedBy, servable: boolean, now: number): void {
    if (by.fetch !== undefined) by.fetch.arrived++;
    if (by.read !== undefined) by.read.arrived++;
    const pusher = by.push === undefined ? undefined : this.neighbours.get(by.push);
    if (pusher !== undefined) pusher.heardPusherAt = now;
    if (!this.have.set(piece)) return;
    if (this.#table.promises[piece]! > 0) for (const { promised } of this.neighbours.values()) promised.delete(piece);
    this.#table.promises[piece] = 0;
    if (servable) this.makeServable(piece);
    if (by.read === undefined) return;
    for (const neighbour of this.#fetching()) if (!neighbour.bits.has(piece)) neighbour.pushQueue.add(piece);
  }

  makeServable(piece: number): void {
    if (this.servable.set(piece)) this.#unannounced.push(piece);
  }

  /** Pieces turned out wrong: they are wanted again. */
  forget(pieces: Iterable<number>): void {
    for (const piece of pieces) {
      this.have.clear(piece);
      this.servable.clear(piece);
      for (const neighbour of this.neighbours.values()) neighbour.pushQueue.delete(piece);
    }
  }

  /** A request is over, whole or not; what of it did not arrive is wanted again. `absent`: the peer has not got it any more. */
  fetchEnded(fetch: Fetch, outcome: FetchOutcome, now: number): void {
    this.#table.release([fetch.first, fetch.count]);
    const neighbour = this.neighbours.get(fetch.peer);
    if (neighbour === undefined || !neighbour.fetches.delete(fetch.id)) return;
    if (outcome === 'failed' || outcome === 'absent') neighbour.failed(now);
    if (outcome === 'absent' && neighbour.role === 'fetching') {
      for (const piece of this.#table.within([fetch.first, fetch.count])) if (neighbour.bits.clear(piece)) this.#table.availability[piece]!--;
    }
    if (outcome === 'done') {
      neighbour.succeeded();
      neighbour.measured(this.layout.bytes(fetch.first, fetch.count), now - fetch.startedAt);
    }
  }

  pushEnded(peer: string, piece: number, sent: boolean): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour === undefined) return;
    neighbour.pushing = Math.max(0, neighbour.pushing - 1);
    if (!sent) neighbour.credit += this.layout.bytes(piece);
  }

  credited(peer: string, bytes: number): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour !== undefined) neighbour.credit += bytes;
  }

  // Leases

  leased(extents: readonly Extent[], now: number): Command[] {
    this.#leasePending = false;
    const commands: Command[] = [];
    for (const extent of extents) {
      if (extent.first + extent.count > this.layout.pieceCount || extent.count === 0) continue;
      const read: Read = { extent, source: this.#leaseSource(now), startedAt: now, arrived: 0 };
      this.#reads.begin(read);
      this.#table.claim([extent.first, extent.count]);
      commands.push({ type: 'read', read });
    }
    const subscribers = this.#fetching().map(({ peer }) => peer);
    if (commands.length > 0 && subscribers.length > 0) {
      commands.push({ type: 'promise', peers: subscribers, runs: extents.map(({ first, count }) => [first, count]) });
    }
    return commands;
  }

  leaseDelayed(ms: number, now: number): void {
    this.#leasePending = false;
    this.#leaseWaitUntil = now + ms;
  }

  readEnded(read: Read, now: number): void {
    if (this.#reads.end(read, now)) this.#table.release([read.extent.first, read.extent.count]);
  }

  // Choosing

  plan(now: number): Command[] {
    const commands: Command[] = [];
    if (!this.have.isFull) {
      for (const neighbour of this.neighbours.values()) if (this.#brokeItsPromise(neighbour, now)) this.#forgetPromises(neighbour);
      this.#planLeases(now, commands);
      this.#planFetches(now, commands);
    }
    for (const neighbour of this.neighbours.values()) {
      for (const fetch of superfluous(this.#table, neighbour)) commands.push({ type: 'cancel', fetch });
    }
    this.#planPushes(commands);
    this.#planAnnouncement(now, commands);
    return commands;
  }

  /** Nothing is under way, nothing was promised, and something is missing. */
  idle(now: number): boolean {
    if (this.have.isFull || this.#reads.reads.size > 0 || this.#leasePending || this.#leaseWaitUntil > now) return false;
    return [...this.neighbours.values()].every(({ fetches, promised }) => fetches.size === 0 && promised.size === 0);
  }

  /** More members fetch than hold, as far as anything may be asked of them: new pieces come in under leases. */
  #crowded(now: number): boolean {
    let fetching = 1;
    let holding = 0;
    for (const { role, pausedUntil } of this.neighbours.values()) {
      if (role === 'fetching') fetching++;
      if (role === 'complete' && pausedUntil <= now) holding++;
    }
    return fetching > holding;
  }

  get pushBacklogBytes(): number {
    let pieces = 0;
    for (const neighbour of this.neighbours.values()) pieces += neighbour.pushQueue.size + neighbour.pushing;
    return pieces * this.layout.pieceLength;
  }

  #planLeases(now: number, commands: Command[]): void {
    if (this.#leasePending || now < this.#leaseWaitUntil || !this.#crowded(now)) return;
    if (!this.originUsable && this.#leaseSource(now) === undefined) return;
    const lengths = this.#fetching().map(({ pushQueue }) => pushQueue.size).sort((a, b) => a - b);
    const pieces = this.#reads.wanted(lengths[Math.floor(lengths.length / 2)] ?? 0, lengths.length === 0, now);
    if (pieces === 0 || !this.#somethingUnclaimed()) return;
    this.#leasePending = true;
    commands.push({ type: 'ask-lease', pieces, active: [...this.#reads.reads.values()].map(({ extent }): Run => [extent.first, extent.count]) });
  }

  #planFetches(now: number, commands: Command[]): void {
    const crowded = this.#crowded(now);
    const sources = [...this.neighbours.values()].filter(
      ({ role, pausedUntil }) => pausedUntil <= now && (role === 'fetching' || (role === 'complete' && !crowded)),
    );
    for (const [source, [first, count]] of planFetches(this.#table, sources, this.#limits, now, this.#random)) {
      const fetch: Fetch = { id: this.#nextFetch++, peer: source.peer, first, count, startedAt: now, arrived: 0 };
      source.fetches.set(fetch.id, fetch);
      commands.push({ type: 'fetch', fetch });
    }
  }

  #planPushes(commands: Command[]): void {
    for (const neighbour of this.neighbours.values()) {
      for (const piece of neighbour.pushQueue) {
        const bytes = this.layout.bytes(piece);
        if (neighbour.pushing >= this.#limits.pushesPerPeer || neighbour.credit < bytes) break;
        neighbour.pushQueue.delete(piece);
        neighbour.pushing++;
        neighbour.credit -= bytes;
        commands.push({ type: 'push', peer: neighbour.peer, piece });
      }
    }
  }

  #planAnnouncement(now: number, commands: Command[]): void {
    if (this.#unannounced.length === 0) return;
    const peers = this.#fetching().map(({ peer }) => peer);
    if (this.coordinator !== undefined && !peers.includes(this.coordinator)) peers.push(this.coordinator);
    // Fewer and longer the more there are to tell: the crowd's messages grow with its square.
    const interval = Math.min(500, Math.max(50, peers.length * 10));
    if (peers.length === 0 || now - this.#announcedAt < interval) return;
    commands.push({ type: 'have', peers, runs: runsOf(this.#unannounced) });
    this.#unannounced = [];
    this.#announcedAt = now;
  }

  /** A holder, drawn by chance so that they share the work, or undefined: the origin. */
  #leaseSource(now: number): string | undefined {
    const holders = [...this.neighbours.values()].filter(({ role, pausedUntil }) => role === 'complete' && pausedUntil <= now);
    return holders.length === 0 ? undefined : holders[Math.floor(this.#random() * holders.length)]!.peer;
  }

  #somethingUnclaimed(): boolean {
    for (let piece = 0; piece < this.layout.pieceCount; piece++) if (this.#table.unclaimed(piece)) return true;
    return false;
  }

  #fetching(): Neighbour[] {
    return [...this.neighbours.values()].filter(({ role }) => role === 'fetching');
  }

  #brokeItsPromise({ promised, heardPusherAt }: Neighbour, now: number): boolean {
    return promised.size > 0 && now - heardPusherAt > this.#limits.promiseMs;
  }

  #forgetPromises({ promised }: Neighbour): void {
    for (const piece of promised) this.#table.promises[piece]!--;
    promised.clear();
  }
}
