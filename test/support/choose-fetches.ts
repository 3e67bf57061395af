import { planFetches } from '../../src/swarm/exchange/core/fetch-plan.ts';
import { Fetches } from '../../src/swarm/exchange/core/fetches.ts';
import { DOWNLOAD_LIMITS, type DownloadLimits } from '../../src/swarm/exchange/core/limits.ts';
import type { Fetch, Neighbour } from '../../src/swarm/exchange/core/neighbour.ts';
import type { PieceTable } from '../../src/swarm/exchange/core/piece-table.ts';
import { ImportGuard } from '../../src/swarm/exchange/core/zone-budget.ts';

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
  const fetches = new Fetches(table, limits);
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
    begin: (source, run) => {
      chosen.push(fetches.begin(source, run, now));
    },
    cancel: () => undefined,
  });
  return chosen;
}
