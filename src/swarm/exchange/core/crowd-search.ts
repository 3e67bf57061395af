import type { DownloadLimits } from './limits.ts';

/** Of four members that are asked one is from another zone, where there are any: pieces have to get across. */
const NEAR_OF_FOUR = 3;

/**
 * How much of a crowd a download reaches. `all`: everyone who fetches the blob exchanges pieces with this node. `some`: enough, and others
 * are left out. `few`: everyone that this node knows was asked, in a swarm that may have more members.
 */
export type CrowdReach = 'all' | 'some' | 'few';

/**
 * Decides which members a download asks to exchange pieces with. In a small swarm everyone, at once. In a large one some, drawn
 * by chance, and more while too few of them have anything to exchange: as many as were asked before, so that also the only holder
 * among hundreds is found in a few round trips.
 */
export class CrowdSearch {
  readonly #limits: DownloadLimits;
  readonly #random: () => number;
  /** Members that were not asked yet, in the order in which they will be. */
  readonly #near: string[] = [];
  readonly #far: string[] = [];
  readonly #asked = new Set<string>();
  readonly #awaited = new Set<string>();
  readonly #found = new Set<string>();

  constructor(limits: DownloadLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  get reach(): CrowdReach {
    if (this.#near.length + this.#far.length > 0) return 'some';
    return this.#asked.size <= this.#limits.wholeSwarm ? 'all' : 'few';
  }

  /** Others that ask are better served by somebody else. */
  get isFull(): boolean {
    return this.#found.size >= Math.max(this.#limits.meshNeighbours, 2 * this.#limits.relayNeighbours);
  }

  exchangesWith(member: string): boolean {
    return this.#found.has(member);
  }

  /** A member is connected. `near`: in this node's zone. */
  add(member: string, near: boolean): void {
    if (this.#asked.has(member)) return;
    const members = near ? this.#near : this.#far;
    const place = Math.floor(this.#random() * (members.length + 1));
    members.push(members[place] ?? member);
    members[place] = member;
  }

  /** The member asked for itself, or answered: `exchanges` when it has or wants the blob. */
  answered(member: string, exchanges: boolean): void {
    this.#asked.add(member);
    this.#awaited.delete(member);
    if (exchanges) this.#found.add(member);
    else this.#found.delete(member);
  }

  remove(member: string): void {
    for (const members of [this.#near, this.#far]) if (members.includes(member)) members.splice(members.indexOf(member), 1);
    for (const members of [this.#asked, this.#awaited, this.#found]) members.delete(member);
  }

  /** Members to ask now. */
  next(): string[] {
    const left = this.#near.length + this.#far.length;
    const isSmall = left + this.#asked.size <= this.#limits.meshNeighbours;
    // Most answer at once; who does not must not hold up the others.
    if (!isSmall && (this.#found.size >= this.#enough || this.#awaited.size > this.#asked.size / 4)) return [];
    const most = isSmall ? left : Math.max(this.#enough, this.#asked.size);
    const members: string[] = [];
    while (members.length < most) {
      const near = members.length % 4 < NEAR_OF_FOUR;
      const member = near ? (this.#near.pop() ?? this.#far.pop()) : (this.#far.pop() ?? this.#near.pop());
      if (member === undefined) break;
      if (this.#asked.has(member)) continue;
      this.#asked.add(member);
      this.#awaited.add(member);
      members.push(member);
    }
    return members;
  }

  get #enough(): number {
    return this.#limits.relayNeighbours / 2;
  }
}
