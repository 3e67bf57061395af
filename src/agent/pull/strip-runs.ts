import type { StripRun } from '../../status/receipt-document.ts';
import { CELL } from '../../swarm/exchange/core/strip.ts';

/** Pure: a transfer's strip as a receipt keeps it; empty where nothing was known of its pieces. */
export function stripRuns(strip: Uint8Array | undefined): StripRun[] {
  const runs: [source: StripRun[0], cells: number][] = [];
  for (const cell of strip ?? []) {
    const source = sourceOf(cell);
    const last = runs.at(-1);
    if (last?.[0] === source) last[1] += 1;
    else runs.push([source, 1]);
  }
  return runs;
}

function sourceOf(cell: number): StripRun[0] {
  if (cell === CELL.missing) return 'missing';
  if (cell === CELL.here) return 'here';
  if (cell === CELL.origin) return 'origin';
  return cell === CELL.otherPeer ? 'other' : cell - CELL.firstPeer;
}
