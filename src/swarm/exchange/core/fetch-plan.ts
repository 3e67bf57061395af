import type { Bitfield, Run } from './bitfield.ts';
import type { DownloadLimits } from './limits.ts';
import type { Fetch, Neighbour } from './neighbour.ts';
import { pickInOrder, pickRarest, type PickView } from './picker.ts';
import type { PieceTable } from './piece-table.ts';
import { farRequests } from './zone-budget.ts';

/** Requests at one neighbour at a time: the next is there when one ends. */
const REQUESTS_PER_PEER = 2;
/** Pieces missing at most for a slow request to be made a second time. */
const ENDGAME_PIECES = 64;

/** Decides what to ask of whom now. `sources` are the neighbours that may be asked. */
export function planFetches(table: PieceTable, sources: readonly Neighbour[], limits: DownloadLimits, now: number, random: () => number): [Neighbour, Run][] {
  const idle = sources.filter(({ fetches }) => fetches.size < REQUESTS_PER_PEER);
  if (idle.length === 0) return [];
  const wanted = new WantedPieces(table);
  const late = idle.some(({ role }) => role === 'fetching') ? latePieces(table, limits, now) : [];
  const before = wanted.first + Math.ceil(limits.windowBytes / table.layout.pieceLength);
  const chosen: [Neighbour, Run][] = [];
  let far = idle.every(({ near }) => near) ? 0 : farRequests(sources, ({ bits }) => wanted.anyIn(bits), now);
  // Near ones first; among them those with the least to do, so that the work is spread.
  for (const source of idle.sort((a, b) => Number(b.near) - Number(a.near) || a.fetches.size - b.fetches.size || a.backlogBytes - b.backlogBytes || b.rate - a.rate)) {
    const longest = runPieces(source, table.layout.pieceLength, limits);
    for (let open = source.fetches.size; open < REQUESTS_PER_PEER; open++) {
      if (!source.near && far < 1) break;
      const inOrder = source.role === 'complete';
      const run =
        (wanted.count === 0 ? undefined : inOrder ? pickInOrder(wanted, source.bits, wanted.first, before, longest) : pickRarest(wanted, source.bits, longest, random)) ??
        (open > 0 ? undefined : (pickLate(table, late, source) ?? pickEndgame(table, sources, source, limits, now)));
      if (run === undefined) break;
      chosen.push([source, run]);
      if (!source.near) far--;
      table.claim(run);
      wanted.take(run);
    }
  }
  return chosen;
}

/** Requests whose pieces have all come from somebody else. */
export function superfluous(table: PieceTable, neighbour: Neighbour): Fetch[] {
  return [...neighbour.fetches.values()].filter(({ first, count, arrived }) => {
    if (arrived >= count) return false;
    for (let piece = first; piece < first + count; piece++) if (!table.have.has(piece)) return false;
    return true;
  });
}

/** The pieces that were wanted when the choosing began, without those chosen since. */
class WantedPieces implements PickView {
  readonly pieceCount: number;
  readonly availability: Uint32Array;
  readonly first: number;
  count = 0;
  readonly #wanted: Uint8Array;

  constructor(table: PieceTable) {
    this.pieceCount = table.layout.pieceCount;
    this.availability = table.availability;
    this.#wanted = new Uint8Array(this.pieceCount);
    this.first = table.firstMissing();
    for (let piece = this.first; piece < this.pieceCount; piece++) {
      if (!table.wanted(piece)) continue;
      this.#wanted[piece] = 1;
      this.count++;
    }
  }

  wanted(piece: number): boolean {
    return this.#wanted[piece] === 1;
  }

  anyIn(bits: Bitfield): boolean {
    return this.count > 0 && this.#wanted.some((wanted, piece) => wanted === 1 && bits.has(piece));
  }

  take([first, count]: Run): void {
    for (let piece = first; piece < first + count; piece++) {
      this.count -= this.#wanted[piece]!;
      this.#wanted[piece] = 0;
    }
  }
}

/** What a neighbour sends in a moment and on the way here, so that requests are few with a fast one and short with a slow one. */
function runPieces(neighbour: Neighbour, pieceLength: number, limits: DownloadLimits): number {
  const bytes = Math.min(limits.maxRunBytes, (neighbour.rate * (limits.runMs + neighbour.latencyMs)) / 1000);
  return Math.max(limits.minRunPieces, Math.floor(bytes / pieceLength));
}

/** Pieces that were promised here, that others have had for a while: their promiser is slower than whoever else has them. */
function latePieces(table: PieceTable, limits: DownloadLimits, now: number): number[] {
  const late: number[] = [];
  for (let piece = 0; piece < table.layout.pieceCount; piece++) {
    if (table.promises[piece] === 0 || table.coming[piece] !== 0 || table.have.has(piece)) continue;
    if (table.seenAt[piece]! > 0 && now - table.seenAt[piece]! > limits.stealAfterMs) late.push(piece);
  }
  // The promiser comes to the last of them last: asking from that end, the two do not meet.
  return late.reverse();
}

function pickLate(table: PieceTable, late: readonly number[], source: Neighbour): Run | undefined {
  const piece = late.find((candidate) => table.coming[candidate] === 0 && source.bits.has(candidate) && !source.promised.has(candidate));
  return piece === undefined ? undefined : [piece, 1];
}

/** At the end a slow request is made a second time, at somebody else. */
function pickEndgame(table: PieceTable, sources: readonly Neighbour[], source: Neighbour, limits: DownloadLimits, now: number): Run | undefined {
  if (table.layout.pieceCount - table.have.count > ENDGAME_PIECES) return undefined;
  for (const other of sources) {
    if (other === source) continue;
    for (const { first, count, startedAt } of other.fetches.values()) {
      if (now - startedAt < limits.endgameMs) continue;
      for (let piece = first; piece < first + count; piece++) {
        if (!table.have.has(piece) && table.coming[piece] === 1 && source.bits.has(piece)) return [piece, 1];
      }
    }
  }
  return undefined;
}
