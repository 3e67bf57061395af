import { ArrivalRate } from './arrival-rate.ts';
import { type Bitfield, runsWhere, type Run } from './bitfield.ts';
import { CrowdBook } from './crowd-book.ts';
import type { RangeUse } from '../../swarm.ts';
import { LEASE_LIMITS, type LeaseLimits } from './lease-limits.ts';
import type { PieceLayout } from './piece-layout.ts';
import { ReadPaces } from './read-paces.ts';

/** What one member may read from the origin: pieces [first, first + count). */
export interface Extent {
  readonly id: number;
  readonly first: number;
  readonly count: number;
}

/** What is known of a member when a book is begun. */
export interface CrowdMember {
  readonly member: string;
  readonly bits: Bitfield;
  /** It has all of it, and fetched it with the others. */
  readonly isComplete: boolean;
}

/** What else decides who reads what. */
export interface LeaseCircumstances {
  /** Members that are to leave the reading to others, as long as those get on with it. */
  readonly doubted?: (member: string) => boolean;
  /** What the asker saw of the origin; absent where parts can always be had. */
  readonly ranges?: RangeUse | undefined;
}

export type LeaseAnswer = { readonly extents: readonly Extent[] } | { readonly waitMs: number };

interface Lease {
  readonly id: number;
  readonly holder: string;
  readonly first: number;
  readonly count: number;
  /** Pieces of it that the holder says it has. */
  done: number;
  progressAt: number;
}

/** After this long there is a rate for the first time. */
const FIRST_RATE_MS = 500;

export interface LeaseTableOptions {
  readonly crowd?: readonly CrowdMember[];
  readonly limits?: LeaseLimits;
}

/**
 * The coordinator's book for one blob: which extents nobody of the crowd has, and who is reading which. Leases are advisory: a
 * wrong book costs copies, never correctness. Pure: time is passed in, in ms.
 */
export class LeaseTable {
  readonly layout: PieceLayout;
  readonly #limits: LeaseLimits;
  readonly #crowd: CrowdBook;
  readonly #leases = new Map<number, Lease>();
  /** Of pieces under leases. */
  readonly #rate: ArrivalRate;
  /** Pieces that came under leases. */
  #read = 0;
  /** Leases that cover each piece: kept up to date, since a crowd asks often. */
  readonly #leased: Uint32Array;
  readonly #pausedUntil = new Map<string, number>();
  /** Members that were given nothing, with how many pieces they had then. */
  readonly #waiting = new Map<string, { readonly since: number; readonly pieces: number }>();
  readonly #paces = new ReadPaces();
  readonly #createdAt: number;
  #takingOver: boolean | undefined;
  #ranges: RangeUse = 'unknown';
  /** Who reads alone, while the origin gives blobs whole or may do so. */
  #reader: string | undefined;
  #nextId = 1;
  /** When anybody last asked or reported: an idle table is dropped by its owner. */
  touchedAt: number;

  /** @param crowd those who fetch the blob, as far as this node knows: somebody else coordinated them before, where they have some of it */
  constructor(layout: PieceLayout, now: number, { crowd = [], limits = LEASE_LIMITS }: LeaseTableOptions = {}) {
    this.layout = layout;
    this.#limits = limits;
    // Pieces of leases that were given together come together: a rate within such a burst says nothing of the origin's line.
    this.#rate = new ArrivalRate({ windowMs: limits.pieceMs, firstWindowMs: FIRST_RATE_MS, since: now });
    this.#createdAt = now;
    this.touchedAt = now;
    this.#crowd = new CrowdBook(layout.pieceCount);
    this.#leased = new Uint32Array(layout.pieceCount);
    for (const { member, bits } of crowd) this.#crowd.have(member, bits.runs(), now);
    for (const { member, isComplete } of crowd) if (isComplete) this.#crowd.complete(member);
    if (crowd.some(({ bits }) => bits.count > 0)) this.#takingOver = true;
  }

  /** Leases that are given out. */
  get leases(): number {
    return this.#leases.size;
  }

  /** The member asks for `pieces` or fewer; `bits` is what it has, `active` what it is reading under earlier leases. */
  request(
    member: string,
    bits: Bitfield,
    active: readonly Run[],
    pieces: number,
    now: number,
    { doubted, ranges }: LeaseCircumstances = {},
  ): LeaseAnswer {
    this.touchedAt = now;
    // Whoever knows says it again each time; before anybody does, one reads to find out.
    if (ranges !== 'unknown') this.#ranges = ranges ?? 'heeded';
    this.#crowd.asks(member, bits, now);
    this.#progress(member, bits, now);
    this.#expire(now);
    this.#forgetLost(member, active);
    this.#adopt(member, active, now);
    this.#takingOver ??= bits.count > 0 || active.length > 0;
    if (this.#takingOver && now - this.#createdAt < this.#limits.takeoverMs) return { waitMs: this.#limits.takeoverMs };
    const paused = this.#pausedUntil.get(member) ?? 0;
    if (paused > now && this.#crowd.fetching > 1) return { waitMs: Math.min(1000, paused - now) };

    if (doubted?.(member) === true && this.#leavesToOthers(member, bits, doubted, now)) return { waitMs: this.#limits.takeoverMs };

    let free = this.#crowd.hasAll ? [] : this.#heldByNobody();
    if (free.length > 0) this.#waiting.delete(member);
    else if (this.#isStuck(member, bits, now)) {
      this.#leaveMute(member, now);
      free = this.#heldByNobody();
      if (free.length === 0) free = runsWhere(this.layout.pieceCount, (piece) => !bits.has(piece) && this.#leased[piece] === 0);
    }
    const run = free[0];
    const most = this.#mostLeases;
    const rounds = Math.ceil(this.#crowd.fetching / most);
    // A large crowd would ask more often than it is of use: some of it always reads.
    if (run === undefined || (this.#leases.size >= most && rounds > 1)) return { waitMs: this.#limits.retryMs * rounds };
    if (this.#leases.size >= most) return { waitMs: this.#untilOneEndsMs(now) };
    const freePieces = free.reduce((sum, [, length]) => sum + length, 0);
    // Everybody would wait at the end for what a slow member reads, and then for its uplink.
    if (this.#paces.outlasts(member, this.#msFor(freePieces + this.#leasedPieces, now), now)) return { waitMs: this.#limits.retryMs };
    if (this.#ranges !== 'heeded') {
      if (this.#leases.size > 0 || !this.#mayRead(member, now)) return { waitMs: this.#limits.retryMs };
      this.#reader = member;
      const [last, length] = free.at(-1)!;
      // Of what comes whole one member takes all that is missing, in one go.
      if (this.#ranges === 'ignored') return { extents: [this.#grant(member, run[0], last + length - run[0], now)] };
    }
    // Shorter towards the end, so that all finish together.
    const share = Math.max(1, Math.ceil(freePieces / (2 * this.#crowd.fetching)));
    return { extents: [this.#grant(member, run[0], Math.min(run[1], pieces, share), now)] };
  }

  /** Pieces that a member has now. */
  have(member: string, runs: readonly Run[], now: number): void {
    this.touchedAt = now;
    this.#progress(member, this.#crowd.have(member, runs, now), now);
  }

  /** The member has the blob, and fetches no more. */
  complete(member: string, now: number): void {
    this.have(member, [[0, this.layout.pieceCount]], now);
    this.#paces.forget(member);
    this.#crowd.complete(member);
  }

  /** The holder ends its lease: everything that nobody has is free again. */
  end(member: string, id: number, outcome: 'done' | 'failed' | 'released', now: number): void {
    this.touchedAt = now;
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.holder !== member) return;
    this.#drop(lease);
    if (outcome === 'failed') this.#pausedUntil.set(member, now + this.#limits.failurePauseMs);
  }

  /** The member is gone, and with it what only it had. */
  leave(member: string): void {
    this.#crowd.leave(member);
    this.#paces.forget(member);
    this.#pausedUntil.delete(member);
    this.#waiting.delete(member);
    for (const lease of this.#leases.values()) if (lease.holder === member) this.#drop(lease);
  }

  #progress(member: string, bits: Bitfield, now: number): void {
    for (const lease of this.#leases.values()) {
      if (lease.holder !== member) continue;
      const done = countIn(bits, lease);
      if (done <= lease.done) continue;
      this.#read += done - lease.done;
      this.#rate.add((done - lease.done) * this.layout.pieceLength, now);
      this.#paces.read(member, done - lease.done, now - lease.progressAt, now);
      lease.done = done;
      lease.progressAt = now;
    }
  }

  /** Nor is anybody reading it. */
  #heldByNobody(): Run[] {
    return runsWhere(this.layout.pieceCount, (piece) => !this.#crowd.isHeld(piece) && this.#leased[piece] === 0);
  }

  /** Nobody else has the origin's answer open, to read on in it. */
  #mayRead(member: string, now: number): boolean {
    if (this.#reader === undefined || this.#reader === member) return true;
    const heardAt = this.#crowd.fetcherHeardAt(this.#reader);
    return heardAt === undefined || now - heardAt >= this.#limits.stuckMs;
  }

  /** Others fetch whom nothing speaks against, or may be about to say so. */
  #leavesToOthers(member: string, bits: Bitfield, doubted: (member: string) => boolean, now: number): boolean {
    if (this.#isStuck(member, bits, now)) return false;
    if (now - this.#createdAt < this.#limits.takeoverMs) return true;
    return this.#crowd.someFetch((other) => !doubted(other));
  }

  /** Everything is held or leased by somebody, and for a while none of it reached this member. */
  #isStuck(member: string, bits: Bitfield, now: number): boolean {
    const waiting = this.#waiting.get(member);
    if (waiting?.pieces === bits.count) return now - waiting.since >= this.#limits.stuckMs;
    this.#waiting.set(member, { since: now, pieces: bits.count });
    return false;
  }

  /** Somebody is stuck: those who fetch and said nothing all that time are taken for gone, and what only they had or read is free. */
  #leaveMute(asker: string, now: number): void {
    for (const member of this.#crowd.muteSince(now - this.#limits.stuckMs)) if (member !== asker) this.leave(member);
  }

  #grant(holder: string, first: number, count: number, now: number): Extent {
    const id = this.#nextId++;
    this.#leases.set(id, { id, holder, first, count, done: 0, progressAt: now });
    for (let piece = first; piece < first + count; piece++) this.#leased[piece]!++;
    return { id, first, count };
  }

  /** Leases that their holder never heard of: it has asked once more, and does not read them. */
  #forgetLost(holder: string, active: readonly Run[]): void {
    for (const lease of this.#leases.values()) {
      if (lease.holder !== holder) continue;
      if (!active.some(([first, count]) => first < lease.first + lease.count && lease.first < first + count)) this.#drop(lease);
    }
  }

  #adopt(holder: string, active: readonly Run[], now: number): void {
    for (const [first, count] of active.slice(0, this.#limits.maxLeases)) {
      const end = Math.min(this.layout.pieceCount, first + count);
      const known = [...this.#leases.values()].some(
        (lease) => lease.holder === holder && lease.first <= first && end <= lease.first + lease.count,
      );
      if (!known && end > first) this.#grant(holder, first, end - first, now);
    }
  }

  get #piecesPerSecond(): number {
    return this.#rate.bytesPerSecond / this.layout.pieceLength;
  }

  get #mostLeases(): number {
    const { firstLeases, maxLeases, minLeases, pieceMs } = this.#limits;
    return Math.min(
      maxLeases,
      this.#piecesPerSecond === 0 ? firstLeases : Math.max(minLeases, Math.floor((this.#piecesPerSecond * pieceMs) / 1000)),
    );
  }

  /** Until one of as many leases as there may be has ended: on fast lines that is soon, and who waits for longer leaves the origin idle. */
  #untilOneEndsMs(now: number): number {
    const { leastRetryMs, retryMs } = this.#limits;
    if (!(this.#perSecond(now) > 0)) return retryMs;
    return Math.min(retryMs, Math.max(leastRetryMs, Math.ceil(this.#msFor(this.#leasedPieces / this.#leases.size, now))));
  }

  /** Of leases, that are not read yet. */
  get #leasedPieces(): number {
    let left = 0;
    for (const { count, done } of this.#leases.values()) left += count - done;
    return left;
  }

  /** In which so many are read; infinite while none are. */
  #msFor(pieces: number, now: number): number {
    return (pieces * 1000) / this.#perSecond(now);
  }

  /** Pieces under leases; until there is a rate, by what came since the start. */
  #perSecond(now: number): number {
    return this.#piecesPerSecond === 0 ? (this.#read * 1000) / (now - this.#createdAt) : this.#piecesPerSecond;
  }

  #expire(now: number): void {
    const { expireAfterMs, expirePieces, firstPieceMs, mostExpireMs } = this.#limits;
    const shared = (expirePieces * this.#leases.size * 1000) / this.#perSecond(now);
    const afterMs = this.#read === 0 ? firstPieceMs : Math.min(mostExpireMs, Math.max(expireAfterMs, shared));
    for (const lease of this.#leases.values()) if (now - lease.progressAt > afterMs) this.#drop(lease);
  }

  #drop(lease: Lease): void {
    this.#leases.delete(lease.id);
    for (let piece = lease.first; piece < lease.first + lease.count; piece++) this.#leased[piece]!--;
  }
}

function countIn(bits: Bitfield, lease: Lease): number {
  let count = 0;
  for (let piece = lease.first; piece < lease.first + lease.count; piece++) if (bits.has(piece)) count++;
  return count;
}
