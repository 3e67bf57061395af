import type { Neighbour } from './neighbour.ts';

/** One request may cross zones for each of so many within this one. */
const NEAR_PER_FAR = 4;
/** A near one that was asked and sent nothing for this long helps nobody. */
const SILENT_MS = 1000;

/**
 * How many more requests may cross zones now: few while the own zone delivers, so that links between zones are left to those who
 * need them, but always one, which brings in what the zone has not got yet. Without limit when nobody near has anything that is
 * wanted, or delivers: a zone must not wait because of where its members stand.
 */
export function farRequests(sources: readonly Neighbour[], hasWanted: (source: Neighbour) => boolean, now: number): number {
  let near = 0;
  let far = 0;
  let delivering = false;
  for (const source of sources) {
    if (!source.near) {
      far += source.fetches.size;
    } else if (!isSilent(source, now)) {
      near += source.fetches.size;
      delivering ||= source.fetches.size > 0 || hasWanted(source);
    }
  }
  return delivering ? Math.max(0, Math.max(1, Math.floor(near / NEAR_PER_FAR)) - far) : Infinity;
}

function isSilent({ fetches }: Neighbour, now: number): boolean {
  for (const { startedAt, arrived } of fetches.values()) if (arrived === 0 && now - startedAt > SILENT_MS) return true;
  return false;
}
