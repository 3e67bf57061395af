import { Bitfield, runsOf, type Run } from './bitfield.ts';
import type { Extent } from './lease-table.ts';
import { Neighbour, type Fetch, type NeighbourRole } from './neighbour.ts';
import { pickInOrder, pickRarest, type PickView } from './picker.ts';
import type { PieceLayout } from './piece-layout.ts';

/** What the download wants done. Whoever carries it out (the node, the simulator) reports back through the methods. */
export type Command =
  | { readonly type: 'fetch'; readonly fetch: Fetch }
  | { readonly type: 'cancel'; readonly fetch: Fetch }
  | { readonly type: 'push'; readonly peer: string; readonly piece: number }
  /** Read an extent under its lease from the source: a peer that has all of it, or (undefined) the origin. */
  | { readonly type: 'read'; readonly read: Read }
  | { readonly type: 'ask-lease'; readonly count: number; readonly active: readonly Run[] }
  | { readonly type: 'have'; readonly peers: readonly string[]; readonly runs: readonly Run[] }
  | { readonly type: 'promise'; readonly peers: readonly string[]; readonly runs: readonly Run[] };

/** An extent that is being read under a lease. */
export interface Read {
  readonly extent: Extent;
  readonly source: string | undefined;
  readonly startedAt: number;
  arrived: number;
}

export interface DownloadLimits {
  /** Bytes that may be requested ahead of the first missing piece: bounds what waits for hashing. */
  readonly windowBytes: number;
  readonly maxRunBytes: number;
  readonly minRunPieces: number;
  /** Requests cover what a peer sends in about this time. */
  readonly runMs: number;
  /** Extents in flight at the origin at once. */
  readonly maxReads: number;
  /** Pieces that may wait to be pushed to the typical subscriber before another lease is asked for. */
  readonly pushQueuePieces: number;
  readonly pushesPerPeer: number;
  /** A promised piece that others have had for this long is asked for elsewhere. */
  readonly stealAfterMs: number;
  /** Promises of a peer that pushed nothing for this long count no more. */
  readonly promiseMs: number;
  /** A request older than this, at the end, is made a second time. */
  readonly endgameMs: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  windowBytes: 64 << 20,
  maxRunBytes: 4 << 20,
  minRunPieces: 4,
  runMs: 200,
  maxReads: 4,
  pushQueuePieces: 4,
  pushesPerPeer: 2,
  stealAfterMs: 500,
  promiseMs: 3000,
  endgameMs: 1000,
};

/**
 * The choices of one download: which pieces to ask whom for, which extents to read under a lease, what to push to whom. Knows no
 * network, disk or clock: events come in through methods with the time in ms, commands come out of `plan`.
 *
 * Two ways to get pieces. While more members fetch the blob than hold it, new pieces come in under leases, each once, and their
 * readers push them to everyone. Otherwise holders are asked directly, in order. Either way a piece that another fetcher has
 * is asked for, rarest first.
 */
export class Download {
  readonly layout: PieceLayout;
  readonly have: Bitfield;
  /** Pieces that may be given to others: their bytes are vouched for. */
  readonly servable: Bitfield;
  readonly neighbours = new Map<string, Neighbour>();
  readonly reads = new Map<number, Read>();
  /** The member that hands out leases, when it is not this node: told what this node has. */
  coordinator: string | undefined;
  /** False once the node reads only: nothing may be asked of the origin (it is away, or not known). */
  originUsable = true;
  readonly #limits: DownloadLimits;
  readonly #random: () => number;
  readonly #availability: Uint32Array;
  /** When a piece was first seen at a neighbour that fetches; 0 when not. */
  readonly #seenAt: Float64Array;
  /** Requests and reads under way that cover each piece. */
  readonly #coming: Uint8Array;
  readonly #promises: Uint16Array;
  #unannounced: number[] = [];
  #announcedAt = 0;
  #leasePending = false;
  #leaseWaitUntil = 0;
  #nextFetch = 1;

  constructor(layout: PieceLayout, random: () => number, limits = DOWNLOAD_LIMITS) {
    this.layout = layout;
    this.#random = random;
    this.#limits = limits;
    this.have = new Bitfield(layout.pieceCount);
    this.servable = new Bitfield(layout.pieceCount);
    this.#availability = new Uint32Array(layout.pieceCount);
    this.#seenAt = new Float64Array(layout.pieceCount);
    this.#coming = new Uint8Array(layout.pieceCount);
    this.#promises = new Uint16Array(layout.pieceCount);
  }

  // Neighbours

  meet(peer: string, role: NeighbourRole, bits: Bitfield | undefined, credit: number, now: number): void {
    const known = this.neighbours.get(peer);
    if (known !== undefined) this.#count(known, -1);
    const has = role === 'complete' || role === 'origin' ? Bitfield.full(this.layout.pieceCount) : (bits ?? new Bitfield(this.layout.pieceCount));
    const neighbour = known ?? new Neighbour(peer, role, has, credit);
    neighbour.role = role;
    neighbour.bits = has;
    neighbour.credit = credit;
    this.neighbours.set(peer, neighbour);
    this.#count(neighbour, 1);
    for (const [first, count] of role === 'fetching' ? has.runs() : []) this.#see(first, count, now);
    if (role !== 'fetching') neighbour.pushQueue.clear();
  }

  /** Requests to it that are under way are reported as ended by whoever carries them out. */
  lose(peer: string): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour === undefined) return;
    this.#count(neighbour, -1);
    for (const piece of neighbour.promised.keys()) this.#promises[piece]!--;
    this.neighbours.delete(peer);
  }

  gained(peer: string, runs: readonly Run[], backlogBytes: number, now: number): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour?.role !== 'fetching') return;
    neighbour.backlogBytes = backlogBytes;
    for (const [first, count] of runs) {
      for (let piece = first; piece < Math.min(first + count, this.layout.pieceCount); piece++) {
        if (neighbour.bits.set(piece)) this.#availability[piece]!++;
        neighbour.pushQueue.delete(piece);
      }
      this.#see(first, count, now);
    }
  }

  promised(peer: string, runs: readonly Run[], now: number): void {
    const neighbour = this.neighbours.get(peer);
    if (neighbour === undefined) return;
    for (const [first, count] of runs) {
      for (let piece = first; piece < Math.min(first + count, this.layout.pieceCount); piece++) {
        if (this.have.has(piece) || neighbour.promised.has(piece)) continue;
        neighbour.promised.set(piece, now);
        this.#promises[piece]!++;
      }
    }
  }

  // Pieces

  /** A piece is here. `servable`: its bytes are vouched for, so that others may have it. */
  arrived(piece: number, from: { readonly push?: string; readonly fetch?: Fetch; readonly read?: Read }, servable: boolean, now: number): void {
    if (from.fetch !== undefined) from.fetch.arrived++;
    if (from.read !== undefined) from.read.arrived++;
    const pusher = from.push === undefined ? undefined : this.neighbours.get(from.push);
    if (pusher !== undefined) pusher.lastPushAt = now;
    if (!this.have.set(piece)) return;
    for (const neighbour of this.neighbours.values()) this.#unpromise(neighbour, piece);
    if (servable) this.makeServable(piece);
    if (from.read !== undefined) {
      for (const neighbour of this.neighbours.values()) {
        if (neighbour.role === 'fetching' && !neighbour.bits.has(piece)) neighbour.pushQueue.add(piece);
      }
    }
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

  /** A request is over, whole or not; what of it did not arrive is wanted again. */
  fetchEnded(fetch: Fetch, outcome: 'done' | 'failed' | 'cancelled', now: number): void {
    this.#release(fetch.first, fetch.count);
    const neighbour = this.neighbours.get(fetch.peer);
    if (neighbour === undefined || !neighbour.fetches.delete(fetch.id)) return;
    if (outcome === 'failed') neighbour.failed(now);
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
      const read: Read = { extent, source: this.#leaseSource(), startedAt: now, arrived: 0 };
      this.reads.set(extent.id, read);
      this.#claim(extent.first, extent.count);
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

  readEnded(read: Read): void {
    if (this.reads.delete(read.extent.id)) this.#release(read.extent.first, read.extent.count);
  }

  // Choosing

  plan(now: number): Command[] {
    const commands: Command[] = [];
    if (!this.have.isFull) {
      this.#planLeases(now, commands);
      this.#planFetches(now, commands);
    }
    this.#planPushes(commands);
    this.#planAnnouncement(now, commands);
    return commands;
  }

  /** Nothing is under way, nothing was promised, and something is missing. */
  idle(now: number): boolean {
    if (this.have.isFull || this.reads.size > 0 || this.#leasePending || this.#leaseWaitUntil > now) return false;
    return [...this.neighbours.values()].every((neighbour) => neighbour.fetches.size === 0 && this.#stale(neighbour, now));
  }

  /** More members fetch than hold: new pieces come in under leases. */
  get crowded(): boolean {
    let fetching = 1;
    let holding = 0;
    for (const { role } of this.neighbours.values()) {
      if (role === 'fetching') fetching++;
      if (role === 'complete') holding++;
    }
    return fetching > holding;
  }

  get pushBacklogBytes(): number {
    let pieces = 0;
    for (const neighbour of this.neighbours.values()) pieces += neighbour.pushQueue.size + neighbour.pushing;
    return pieces * this.layout.pieceLength;
  }

  #planLeases(now: number, commands: Command[]): void {
    if (this.#leasePending || now < this.#leaseWaitUntil || !this.crowded) return;
    if (!this.originUsable && this.#leaseSource() === undefined) return;
    const unfinished = [...this.reads.values()].filter((read) => read.arrived < read.extent.count);
    if (unfinished.length >= this.#limits.maxReads || this.#typicalPushQueue() > this.#limits.pushQueuePieces) return;
    let unclaimed = 0;
    for (let piece = 0; piece < this.layout.pieceCount; piece++) {
      if (!this.have.has(piece) && this.#coming[piece] === 0 && this.#availability[piece] === 0 && !this.#promiseHolds(piece, now)) unclaimed++;
    }
    if (unclaimed === 0) return;
    // One ahead hides the origin's latency; more only for a node that is alone, since others could read them.
    const alone = this.#fetching().length === 0;
    const target = alone ? this.#limits.maxReads : 2;
    if (unfinished.length >= target) return;
    this.#leasePending = true;
    const active: Run[] = unfinished.map(({ extent }) => [extent.first, extent.count]);
    commands.push({ type: 'ask-lease', count: alone ? target - unfinished.length : 1, active });
  }

  #planFetches(now: number, commands: Command[]): void {
    const sources = [...this.neighbours.values()]
      .filter((neighbour) => this.#askable(neighbour, now))
      .sort((a, b) => a.fetches.size - b.fetches.size || a.backlogBytes - b.backlogBytes || b.rate - a.rate);
    const firstMissing = this.#firstMissing();
    const before = firstMissing + Math.ceil(this.#limits.windowBytes / this.layout.pieceLength);
    const view: PickView = {
      pieceCount: this.layout.pieceCount,
      availability: this.#availability,
      wanted: (piece) => !this.have.has(piece) && this.#coming[piece] === 0 && !this.#promiseHolds(piece, now),
    };
    for (const source of sources) {
      const longest = this.#runPieces(source);
      while (source.fetches.size < 2) {
        const run = source.role === 'complete' ? pickInOrder(view, source.bits, firstMissing, before, longest) : pickRarest(view, source.bits, longest, this.#random);
        const chosen = run ?? this.#pickSteal(source, now) ?? this.#pickEndgame(source, now);
        if (chosen === undefined) break;
        const fetch: Fetch = { id: this.#nextFetch++, peer: source.peer, first: chosen[0], count: chosen[1], startedAt: now, arrived: 0 };
        source.fetches.set(fetch.id, fetch);
        this.#claim(fetch.first, fetch.count);
        commands.push({ type: 'fetch', fetch });
      }
    }
    this.#cancelSuperfluous(commands);
  }

  /** A piece that is promised but late, the one promised last: its promiser comes to that one last. */
  #pickSteal(source: Neighbour, now: number): [number, number] | undefined {
    if (source.role !== 'fetching' || source.fetches.size > 0) return undefined;
    for (const promiser of this.neighbours.values()) {
      if (promiser === source || promiser.backlogBytes < source.backlogBytes) continue;
      for (const piece of [...promiser.promised.keys()].reverse()) {
        const late = this.#seenAt[piece]! > 0 && now - this.#seenAt[piece]! > this.#limits.stealAfterMs;
        if (late && this.#coming[piece] === 0 && source.bits.has(piece)) return [piece, 1];
      }
    }
    return undefined;
  }

  /** At the end a slow request is made a second time, at somebody else. */
  #pickEndgame(source: Neighbour, now: number): [number, number] | undefined {
    if (source.fetches.size > 0 || this.layout.pieceCount - this.have.count > 64) return undefined;
    for (const other of this.neighbours.values()) {
      if (other === source) continue;
      for (const fetch of other.fetches.values()) {
        if (now - fetch.startedAt < this.#limits.endgameMs) continue;
        for (let piece = fetch.first; piece < fetch.first + fetch.count; piece++) {
          if (!this.have.has(piece) && this.#coming[piece] === 1 && source.bits.has(piece)) return [piece, 1];
        }
      }
    }
    return undefined;
  }

  #cancelSuperfluous(commands: Command[]): void {
    for (const neighbour of this.neighbours.values()) {
      for (const fetch of neighbour.fetches.values()) {
        let missing = false;
        for (let piece = fetch.first; piece < fetch.first + fetch.count && !missing; piece++) missing = !this.have.has(piece);
        if (!missing && fetch.arrived < fetch.count) commands.push({ type: 'cancel', fetch });
      }
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
    const peers = this.#fetching().map(({ peer }) => peer);
    if (this.coordinator !== undefined && !peers.includes(this.coordinator)) peers.push(this.coordinator);
    const interval = Math.min(500, Math.max(50, peers.length * 10));
    if (this.#unannounced.length === 0 || peers.length === 0 || now - this.#announcedAt < interval) return;
    commands.push({ type: 'have', peers, runs: runsOf(this.#unannounced) });
    this.#unannounced = [];
    this.#announcedAt = now;
  }

  #askable(neighbour: Neighbour, now: number): boolean {
    if (neighbour.pausedUntil > now || neighbour.role === 'none' || neighbour.role === 'origin') return false;
    return neighbour.role === 'fetching' || !this.crowded;
  }

  /** The holder with the least to do, or undefined: the origin. */
  #leaseSource(): string | undefined {
    const holders = [...this.neighbours.values()].filter(({ role, pausedUntil }) => role === 'complete' && pausedUntil === 0);
    return holders.length === 0 ? undefined : holders[Math.floor(this.#random() * holders.length)]!.peer;
  }

  #runPieces(neighbour: Neighbour): number {
    const bytes = Math.min(this.#limits.maxRunBytes, (neighbour.rate * this.#limits.runMs) / 1000);
    return Math.max(this.#limits.minRunPieces, Math.floor(bytes / this.layout.pieceLength));
  }

  #typicalPushQueue(): number {
    const lengths = this.#fetching().map(({ pushQueue }) => pushQueue.size).sort((a, b) => a - b);
    return lengths[Math.floor(lengths.length / 2)] ?? 0;
  }

  #fetching(): Neighbour[] {
    return [...this.neighbours.values()].filter(({ role }) => role === 'fetching');
  }

  #firstMissing(): number {
    let piece = 0;
    while (piece < this.layout.pieceCount && this.have.has(piece)) piece++;
    return piece;
  }

  #promiseHolds(piece: number, now: number): boolean {
    if (this.#promises[piece] === 0) return false;
    for (const neighbour of this.neighbours.values()) {
      if (neighbour.promised.has(piece) && !this.#stale(neighbour, now, piece)) return true;
    }
    return false;
  }

  #stale(neighbour: Neighbour, now: number, piece?: number): boolean {
    if (now - neighbour.lastPushAt < this.#limits.promiseMs) return neighbour.promised.size === 0;
    if (piece !== undefined) return now - neighbour.promised.get(piece)! >= this.#limits.promiseMs;
    for (const at of neighbour.promised.values()) if (now - at < this.#limits.promiseMs) return false;
    return true;
  }

  #unpromise(neighbour: Neighbour, piece: number): void {
    if (neighbour.promised.delete(piece)) this.#promises[piece]!--;
  }

  #see(first: number, count: number, now: number): void {
    for (let piece = first; piece < Math.min(first + count, this.layout.pieceCount); piece++) this.#seenAt[piece] ||= now;
  }

  #count(neighbour: Neighbour, sign: 1 | -1): void {
    if (neighbour.role !== 'fetching') return;
    for (const [first, count] of neighbour.bits.runs()) {
      for (let piece = first; piece < first + count; piece++) this.#availability[piece]! += sign;
    }
  }

  #claim(first: number, count: number): void {
    for (let piece = first; piece < first + count; piece++) this.#coming[piece]!++;
  }

  #release(first: number, count: number): void {
    for (let piece = first; piece < first + count; piece++) this.#coming[piece]!--;
  }
}
