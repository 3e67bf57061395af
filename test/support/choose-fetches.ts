import { planFetches } from '../../src/swarm/exchange/core/fetch-plan.ts';
import { DOWNLOAD_LIMITS, type DownloadLimits } from '../../src/swarm/exchange/core/limits.ts';
import type { Fetch, Neighbour } from '../../src/swarm/exchange/core/neighbour.ts';
import type { PieceTable } from '../../src/swarm/exchange/core/piece-table.ts';
import { ImportGuard } from '../../src/swarm/exchange/core/zone-budget.ts';
import { awaitedSince } from '../../src/swarm/exchange/core/silence.ts';

let nextId = 0;

/** Begins the requests that are chosen among these neighbours, with room for any number. */
export function chooseFetches(
  table: PieceTable,
  sources: readonly Neighbour[],
  {
    now,
    limits = DOWNLOAD_LIMITS,
    random = () => 0,
    guard = new ImportGuard(table.layout.pieceCount, random),
  }: { now: number; limits?: DownloadLimits; random?: () => number; guard?: ImportGuard },
): Fetch[] {
  const chosen: Fetch[] = [];
  planFetches({
    table,
    sources,
    room: Infinity,
    longest: Math.floor(limits.maxRunBytes / table.layout.pieceLength),
    limits,
    guard,
    patienceMs: 0,
    now,
    random,
    begin: (source, [first, count]) => {
      const fetch: Fetch = {
        id: nextId++,
        peer: source.peer,
        first,
        count,
        startedAt: now,
        relayed: source.relays,
        arrived: 0,
        ...awaitedSince(now),
      };
      source.fetches.set(fetch.id, fetch);
      table.claim([first, count]);
      chosen.push(fetch);
    },
  });
  return chosen;
}
