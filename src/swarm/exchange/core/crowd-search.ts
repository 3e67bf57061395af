import type { DownloadLimits } from './limits.ts';

/**
 * How much of a crowd a download reaches. `all`: everyone who fetches the blob exchanges pieces with this node. `some`: enough, and others
 * are left out. `few`: everyone that this node knows was asked, in a swarm that may have more members.
 */
export type CrowdReach = 'all' | 'some' | 'few';

/**
 * Decides which members a download asks to exchange pieces with. In a small swarm everyone, at once. In a large one some, drawn
 * by chance, and more while too few of them have anything to exchange: as many as were asked before, so that also the only holder
 * among hundreds is found in a few round trips. Those of this zone first, and one of each other zone: pieces have to get across.
 */
export class CrowdSearch {
  readonly #limits: DownloadLimits;
  readonly #random: () => number;
  /** Members that were not asked yet, in the order in which they will be. */
  readonly #near: string[] = [];
  /** By zone, in the order in which they are asked: by chance, else all would ask the same. */
  readonly #far: { readonly zone: string; readonly members: string[] }[] = [];
  readonly #asked = new Set<string>();
  readonly #awaited = new Set<string>();
  readonly #found = new Set<string>();

  constructor(limits: DownloadLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  get reach(): CrowdReach {
    if (this.#left > 0) return 'some';
    return this.#asked.size <= this.#limits.wholeSwarm ? 'all' : 'few';
  }

  /** Others that ask are better served by somebody else. */
  get isFull(): boolean {
    return this.#found.size >= Math.max(this.#limits.meshNeighbours, 2 * this.#limits.relayNeighbours);
  }

  exchangesWith(member: string): boolean {
    return this.#found.has(member);
  }

  /** A member is connected. `farZone`: its zone, where that is not this node's. */
  add(member: string, farZone: string | undefined): void {
    if (this.#asked.has(member)) return;
    this.#insert(farZone === undefined ? this.#near : this.#membersOf(farZone), member);
  }

  /** The member is to be asked before all others; false when it was asked. */
  choose(member: string): boolean {
    if (this.#asked.has(member)) return false;
    this.#asked.add(member);
    this.#awaited.add(member);
    return true;
  }

  /** The member asked for itself, or answered: `exchanges` when it has or wants the blob. */
  answered(member: string, exchanges: boolean): void {
    this.#asked.add(member);
    this.#awaited.delete(member);
    if (exchanges) this.#found.add(member);
    else this.#found.delete(member);
  }

  remove(member: string): void {
    for (const members of [this.#near, ...this.#far.map(({ members }) => members)])
      if (members.includes(member)) members.splice(members.indexOf(member), 1);
    for (const members of [this.#asked, this.#awaited, this.#found]) members.delete(member);
  }

  /** Members to ask now. */
  next(): string[] {
    const left = this.#left;
    const isSmall = left + this.#asked.size <= this.#limits.meshNeighbours;
    // Most answer at once; who does not must not hold up the others.
    if (!isSmall && (this.#found.size >= this.#enough || this.#awaited.size > this.#asked.size / 4)) return [];
    const many = Math.max(this.#enough, this.#asked.size);
    const far = Math.min(this.#far.length, Math.floor(many / 2));
    const most = isSmall ? left : many + far;
    const members: string[] = [];
    while (members.length < most) {
      const member = members.length < far ? (this.#popFar() ?? this.#near.pop()) : (this.#near.pop() ?? this.#popFar());
      if (member === undefined) break;
      if (this.#asked.has(member)) continue;
      this.#asked.add(member);
      this.#awaited.add(member);
      members.push(member);
    }
    return members;
  }

  get #left(): number {
    return this.#far.reduce((left, { members }) => left + members.length, this.#near.length);
  }

  #membersOf(farZone: string): string[] {
    let known = this.#far.find(({ zone }) => zone === farZone);
    if (known === undefined) {
      known = { zone: farZone, members: [] };
      this.#insert(this.#far, known);
    }
    return known.members;
  }

  #insert<T>(list: T[], item: T): void {
    const place = Math.floor(this.#random() * (list.length + 1));
    list.push(list[place] ?? item);
    list[place] = item;
  }

  /** Zones take turns. */
  #popFar(): string | undefined {
    for (let next = this.#far.shift(); next !== undefined; next = this.#far.shift()) {
      const member = next.members.pop();
      if (next.members.length > 0) this.#far.push(next);
      if (member !== undefined) return member;
    }
    return undefined;
  }

  get #enough(): number {
    return this.#limits.relayNeighbours / 2;
  }
}
