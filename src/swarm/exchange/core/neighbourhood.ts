import { Bitfield, piecesOf, type Run } from './bitfield.ts';
import { Neighbour, type NeighbourRole } from './neighbour.ts';
import type { PieceTable } from './piece-table.ts';

/** The neighbours of one download, and what each of them means for the table of pieces. */
export class Neighbourhood {
  readonly all = new Map<string, Neighbour>();
  /** Those that want pieces, in order of their coming. */
  fetching: readonly Neighbour[] = [];
  /** Those that have the whole blob and had it before. */
  holders: readonly Neighbour[] = [];
  /** Those whose pieces the table counts: they fetch, or did until they had everything. */
  relays: readonly Neighbour[] = [];
  readonly #table: PieceTable;

  constructor(table: PieceTable) {
    this.#table = table;
  }

  meet(peer: string, role: NeighbourRole, bits: Bitfield | undefined, farZone: string | undefined, now: number): void {
    const { pieceCount } = this.#table.layout;
    const has = role === 'complete' || role === 'origin' ? Bitfield.full(pieceCount) : (bits ?? new Bitfield(pieceCount));
    const known = this.all.get(peer);
    if (known?.relays === true) this.#count(known.bits, -1, now);
    const neighbour = known ?? new Neighbour(peer, role, has);
    if (known !== undefined) neighbour.become(role, has);
    neighbour.farZone = farZone;
    this.all.set(peer, neighbour);
    if (neighbour.relays) this.#count(has, 1, now);
    this.#sort();
  }

  lose(peer: string): void {
    const neighbour = this.all.get(peer);
    if (neighbour === undefined) return;
    if (neighbour.relays) this.#count(neighbour.bits, -1, 0);
    this.all.delete(peer);
    this.#sort();
  }

  /** `forZone`: it told only this node of all in this zone. */
  gained(neighbour: Neighbour, runs: readonly Run[], forZone: boolean, now: number): void {
    for (const piece of piecesOf(runs, this.#table.layout.pieceCount)) {
      if (neighbour.bits.set(piece) && neighbour.relays) this.#table.seen(piece, 1, now);
      if (forZone && !neighbour.near && this.#table.wanted(piece)) neighbour.forZone.add(piece);
    }
  }

  /** It brought wrong bytes: what it has counts no more, so that it is had from others. */
  distrust(peer: string, now: number): void {
    const neighbour = this.all.get(peer);
    if (neighbour === undefined) return;
    if (neighbour.relays) this.#count(neighbour.bits, -1, now);
    neighbour.distrust();
    this.#sort();
  }

  /** It is to be asked again for what it says that it has. */
  forgive(peer: string, now: number): void {
    const neighbour = this.all.get(peer);
    if (neighbour !== undefined)
      this.#ask(
        neighbour,
        () => {
          neighbour.forgive();
        },
        now,
      );
  }

  /** It has fallen silent: what it has is had from others, or read. */
  mute(neighbour: Neighbour, now: number): void {
    if (neighbour.relays) this.#count(neighbour.bits, -1, now);
    neighbour.relays = false;
    this.#sort();
  }

  /** It is heard again. */
  unmute(neighbour: Neighbour, now: number): void {
    this.#ask(
      neighbour,
      () => {
        neighbour.heardAgain();
      },
      now,
    );
  }

  #ask(neighbour: Neighbour, again: () => void, now: number): void {
    if (neighbour.relays) return;
    again();
    if (neighbour.relays) this.#count(neighbour.bits, 1, now);
    this.#sort();
  }

  /** It turned out not to have these. */
  lacks(neighbour: Neighbour, [first, count]: Run, now: number): void {
    for (let piece = first; piece < first + count; piece++) if (neighbour.bits.clear(piece)) this.#table.seen(piece, -1, now);
  }

  /** More members fetch than hold, as far as anything may be asked of them; or more of those in this zone, so that each piece crosses once. */
  isCrowd(now: number): boolean {
    if (this.#isCrowdOf(() => true, now)) return true;
    return this.fetching.some(({ near }) => near) && this.#isCrowdOf(({ near }) => near, now);
  }

  #isCrowdOf(fits: (neighbour: Neighbour) => boolean, now: number): boolean {
    const count = (neighbours: readonly Neighbour[]): number => neighbours.reduce((sum, neighbour) => sum + Number(fits(neighbour)), 0);
    const holding =
      count(this.holders.filter(({ isSilent, pausedUntil }) => pausedUntil <= now && !isSilent)) +
      count(this.relays) -
      count(this.fetching);
    return count(this.fetching) + 1 > holding;
  }

  #count(bits: Bitfield, sign: 1 | -1, now: number): void {
    for (const [first, count] of bits.runs()) for (let piece = first; piece < first + count; piece++) this.#table.seen(piece, sign, now);
  }

  #sort(): void {
    const all = [...this.all.values()];
    this.fetching = all.filter(({ role }) => role === 'fetching');
    this.holders = all.filter(({ role, relays }) => role === 'complete' && !relays);
    this.relays = all.filter(({ relays }) => relays);
  }
}
