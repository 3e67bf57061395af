import { LeaseTable, type CrowdMember } from './core/lease-table.ts';
import type { PieceLayout } from './core/piece-layout.ts';

/** A table that nobody asked for this long is dropped. */
const IDLE_MS = 60_000;
/** Bounds what members can have made here: in all, for one blob, and by each of them. */
export const MAX_BLOBS = 4096;
const MAX_SIZES = 4;
const MAX_BLOBS_OF_MEMBER = 512;
const MAX_PIECES_OF_MEMBER = 512 * 1024;

interface MadeTable {
  readonly table: LeaseTable;
  /** Whose request it was made for. */
  readonly maker: string;
}

/** The books of the blobs that this node coordinates, bounded against whoever has them made. */
export class LeaseTables {
  readonly #self: string;
  readonly #now: () => number;
  readonly #crowd: (blob: string, layout: PieceLayout) => readonly CrowdMember[];
  /** By blob, then by size and piece length: members may disagree on those (one of them lies, then), and each gets a book of its own. */
  readonly #tables = new Map<string, Map<string, MadeTable>>();

  /** @param crowd as of `LeaseTable`, where this node fetches the blob */
  constructor(self: string, now: () => number, crowd: (blob: string, layout: PieceLayout) => readonly CrowdMember[]) {
    this.#self = self;
    this.#crowd = crowd;
    this.#now = now;
  }

  get blobs(): number {
    return this.#tables.size;
  }

  get leases(): number {
    let count = 0;
    for (const { table } of this.#made()) count += table.leases;
    return count;
  }

  of(blob: string): LeaseTable[] {
    return [...(this.#tables.get(blob)?.values() ?? [])].map(({ table }) => table);
  }

  /** Makes it when there is none. `maker`: whoever asks, and is answerable for the memory then. */
  get(blob: string, layout: PieceLayout, maker: string): LeaseTable {
    const key = `${layout.size}/${layout.pieceLength}`;
    const known = this.#tables.get(blob)?.get(key);
    if (known !== undefined) return known.table;
    if (maker !== this.#self) this.#makeRoom(maker, layout.pieceCount);
    if (!this.#tables.has(blob) && this.#tables.size >= MAX_BLOBS) this.#tables.delete(this.#tables.keys().next().value!);
    const tables = this.#tables.get(blob) ?? new Map<string, MadeTable>();
    if (tables.size >= MAX_SIZES) tables.delete(tables.keys().next().value!);
    const table = new LeaseTable(layout, this.#now(), { crowd: this.#crowd(blob, layout) });
    this.#tables.set(blob, tables.set(key, { table, maker }));
    return table;
  }

  /** The member is gone. */
  left(member: string): void {
    for (const { table } of this.#made()) table.leave(member);
  }

  /** Drops those that nobody uses any more. */
  sweep(): void {
    for (const [blob, tables] of this.#tables) {
      for (const [key, { table }] of tables) if (this.#now() - table.touchedAt > IDLE_MS) tables.delete(key);
      if (tables.size === 0) this.#tables.delete(blob);
    }
  }

  /** Drops the oldest of the tables that the member had made: it is the one that made too many. */
  #makeRoom(maker: string, pieces: number): void {
    let [count, sum] = [1, pieces];
    for (const { maker: its, table } of this.#made()) {
      if (its !== maker) continue;
      count++;
      sum += table.layout.pieceCount;
    }
    for (const [blob, tables] of this.#tables) {
      for (const [key, { maker: its, table }] of tables) {
        if (count <= MAX_BLOBS_OF_MEMBER && sum <= MAX_PIECES_OF_MEMBER) return;
        if (its !== maker) continue;
        tables.delete(key);
        count--;
        sum -= table.layout.pieceCount;
      }
      if (tables.size === 0) this.#tables.delete(blob);
    }
  }

  *#made(): Iterable<MadeTable> {
    for (const tables of this.#tables.values()) yield* tables.values();
  }
}
