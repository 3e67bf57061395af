import type { Bitfield, Run } from './bitfield.ts';
import type { DownloadLimits } from './limits.ts';
import type { Fetch, Neighbour } from './neighbour.ts';
import { pickInOrder, pickRarest } from './picker.ts';
import type { PieceSet } from './piece-set.ts';
import type { PieceTable } from './piece-table.ts';
import { farRequests, type ImportGuard } from './zone-budget.ts';

/** Requests at one neighbour at a time: the next is there when one ends. */
const REQUESTS_PER_PEER = 2;
/** What may be asked of members that fetch themselves is spread over this many requests. */
export const RUNS_ASKED = 8;
/** Pieces of one of these at most: each comes with what its reader signed. */
export const LONGEST_RUN = 32;
/** Pieces missing at most for a slow request to be made a second time, or elsewhere. */
const ENDGAME_PIECES = 64;
/** How many times as fast somebody must be for a request to be made there instead: among equals nothing is gained. */
const FASTER = 2;

export interface FetchPlan {
  readonly table: PieceTable;
  /** The neighbours that may be asked, those that rest included. */
  readonly sources: readonly Neighbour[];
  /** Pieces that may be asked of those of them that relay. */
  room: number;
  /** Pieces of one request to one that relays. */
  readonly longest: number;
  readonly limits: DownloadLimits;
  /** What those of other zones that relay are asked for. */
  readonly guard: ImportGuard;
  /** Time that a piece may take through the queues of a busy crowd, in ms: before it is over nothing is asked for a second time. */
  readonly patienceMs: number;
  readonly now: number;
  readonly random: () => number;
  /** The run is asked of the source from now on. */
  begin(source: Neighbour, run: Run): void;
  /** What was asked there is not to be sent. */
  cancel(fetch: Fetch): void;
}

/**
 * Decides what to ask of whom now: the least busy, each for the rarest piece that it has, or from a holder the next in order. The other
 * way round, the rarest piece from whoever has it, all would ask the one who has the newest.
 */
export function planFetches(plan: FetchPlan): void {
  const { now, table } = plan;
  const isEnd = isEndgame(table);
  const sources = plan.sources.filter(({ isSilent, pausedUntil }) => pausedUntil <= now && !isSilent);
  for (const source of sources) if (source.forZone.size > 0) fetchForZone(plan, source);
  const idle = sources.filter(({ fetches }) => fetches.size < REQUESTS_PER_PEER);
  const importable = idle.every(({ near }) => near) ? undefined : plan.guard.importable(table, sources, now);
  let far = idle.every(({ near }) => near) ? 0 : farRequests(sources, (source) => hasWanted(table, source), now);
  while (idle.length > 0) {
    if (plan.room <= 0 && !isEnd && idle.every(({ relays }) => relays)) return;
    const source = leastBusy(idle, plan.random);
    const run =
      source.near || far >= 1
        ? (pick(plan, source, source.near ? undefined : importable) ??
          (isEnd ? (reroute(plan, source) ?? pickEndgame(plan, source)) : undefined))
        : undefined;
    if (run !== undefined) {
      if (source.relays) plan.room -= run[1];
      if (!source.near) far--;
      plan.begin(source, run);
    }
    if (run === undefined || source.fetches.size >= REQUESTS_PER_PEER) idle.splice(idle.indexOf(source), 1);
  }
}

/** What it told this node for its whole zone: asked for at once, also beyond `room`, since here everybody else waits for it. */
function fetchForZone(plan: FetchPlan, source: Neighbour): void {
  const { longest, table } = plan;
  const { fetches, forZone } = source;
  for (const first of forZone) {
    if (fetches.size >= REQUESTS_PER_PEER) return;
    let count = 0;
    while (count < longest && forZone.delete(first + count) && table.wanted(first + count)) count++;
    if (count > 0) plan.begin(source, [first, count]);
  }
}

/** Near ones first; among them those with the least to do, so that the work is spread; equals are drawn. */
function leastBusy(sources: readonly Neighbour[], random: () => number): Neighbour {
  let best = sources[0]!;
  let equals = 1;
  for (let i = 1; i < sources.length; i++) {
    const order = compareLoad(sources[i]!, best);
    if (order < 0) equals = 1;
    if (order < 0 || (order === 0 && random() < 1 / ++equals)) best = sources[i]!;
  }
  return best;
}

/** Near ones first, then those with the least to do, then the fastest. */
export function compareLoad(a: Neighbour, b: Neighbour): number {
  return Number(b.near) - Number(a.near) || a.fetches.size - b.fetches.size || b.rate - a.rate;
}

function hasWanted({ offered, unclaimed }: PieceTable, { bits, relays }: Neighbour): boolean {
  return hasAny(bits, offered) || (!relays && hasAny(bits, unclaimed));
}

function hasAny(bits: Bitfield, { pieces, size }: PieceSet): boolean {
  for (let i = 0; i < size; i++) if (bits.has(pieces[i]!)) return true;
  return false;
}

function pick(
  { limits, longest, random, room, table }: FetchPlan,
  source: Neighbour,
  may: ((piece: number) => boolean) | undefined,
): Run | undefined {
  if (source.relays) return room > 0 ? pickRarest(table, source.bits, Math.min(room, longest), random, may) : undefined;
  const from = table.firstMissing();
  return pickInOrder(
    table,
    source.bits,
    from,
    from + Math.ceil(limits.windowBytes / table.layout.pieceLength),
    runPieces(source, table.layout.pieceLength, limits),
  );
}

export function isEndgame({ have, layout }: PieceTable): boolean {
  return layout.pieceCount - have.count <= ENDGAME_PIECES;
}

/** Requests whose pieces have all come from somebody else. */
export function superfluous(table: PieceTable, neighbour: Neighbour): Fetch[] {
  return [...neighbour.fetches.values()].filter(({ first, count, arrived }) => {
    if (arrived >= count) return false;
    for (let piece = first; piece < first + count; piece++) if (!table.have.has(piece)) return false;
    return true;
  });
}

/** What a neighbour sends in a moment and on the way here, so that requests are few with a fast one and short with a slow one. */
function runPieces(neighbour: Neighbour, pieceLength: number, limits: DownloadLimits): number {
  const bytes = Math.min(limits.maxRunBytes, (neighbour.rate * (limits.runMs + neighbour.latencyMs)) / 1000);
  return Math.max(limits.minRunPieces, Math.floor(bytes / pieceLength));
}

/**
 * At the end what waits in the queue of a slow source is asked of a fast one that has it by now: all who lack what the slow one read
 * ask there for it, and it would send each piece as many times.
 */
function reroute(plan: FetchPlan, source: Neighbour): Run | undefined {
  const { limits, now, sources, table } = plan;
  if (source.fetches.size > 0) return undefined;
  for (const other of sources) {
    if (other === source || other.rate * FASTER > source.rate) continue;
    for (const fetch of other.fetches.values()) {
      const { count, first, isBegun, startedAt } = fetch;
      if (isBegun || now - startedAt < limits.rerouteMs + other.latencyMs) continue;
      if (!isOnlyThere(table, source, fetch)) continue;
      plan.cancel(fetch);
      return [first, count];
    }
  }
  return undefined;
}

/** Every piece of the request is missing, asked of nobody else, and to be had from `source`. */
function isOnlyThere({ coming, have }: PieceTable, source: Neighbour, { count, first }: Fetch): boolean {
  for (let piece = first; piece < first + count; piece++)
    if (have.has(piece) || coming[piece] !== 1 || !source.bits.has(piece)) return false;
  return true;
}

/** At the end a slow request is made a second time, at somebody else. */
function pickEndgame({ table, sources, limits, now, patienceMs }: FetchPlan, source: Neighbour): Run | undefined {
  if (source.fetches.size > 0) return undefined;
  for (const other of sources) {
    if (other === source || other.fetches.size === 0) continue;
    for (const { first, count, startedAt } of other.fetches.values()) {
      if (now - startedAt < Math.max(limits.endgameMs, patienceMs)) continue;
      for (let piece = first; piece < first + count; piece++) {
        if (!table.have.has(piece) && table.coming[piece] === 1 && source.bits.has(piece)) return [piece, 1];
      }
    }
  }
  return undefined;
}
