import type { Neighbour } from './neighbour.ts';
import type { PieceTable } from './piece-table.ts';

/** One request may cross zones for each of so many within this one. */
const NEAR_PER_FAR = 4;
/** A near one that was asked and sent nothing for this long helps nobody. */
const SILENT_MS = 1000;
/** Of new pieces so many other zones hear at once; with more, where zones are hosts perhaps, nearly everyone would ask each reader. */
const MAX_ZONES = 5;
/** A piece that only other zones have is waited for at most this long for each neighbour in this zone, and this long in all. */
const IMPORT_MS_PER_NEIGHBOUR = 250;
const MAX_IMPORT_MS = 3000;

/** The zone of a member, where it is not this node's; `own`: undefined where zones do not matter. */
export function farZone(own: string | undefined, zone = ''): string | undefined {
  return own === undefined || zone === own ? undefined : zone;
}

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

/**
 * One neighbour of each other zone, drawn by chance. Who brings a new piece into the crowd tells these at once, and they fetch it: so it
 * crosses into each zone once, and is passed on inside before others there would ask for it. Of very many zones some.
 */
export function oneOfEachZone(neighbours: readonly Neighbour[], random: () => number): Neighbour[] {
  const zones = new Map<string, Neighbour[]>();
  for (const neighbour of neighbours) {
    if (neighbour.farZone === undefined) continue;
    const members = zones.get(neighbour.farZone);
    if (members === undefined) zones.set(neighbour.farZone, [neighbour]);
    else members.push(neighbour);
  }
  const chosen: Neighbour[] = [];
  const left = [...zones.values()];
  while (chosen.length < MAX_ZONES && left.length > 0) {
    const [members] = left.splice(Math.floor(random() * left.length), 1);
    chosen.push(members![Math.floor(random() * members!.length)]!);
  }
  return chosen;
}

/**
 * The guard against a zone that starves. A piece that other zones have is on its way into this one, as a rule, so who sees it only there
 * waits for it, for a time that it draws. Of many in a zone few draw a short one (the density grows exponentially, as in RFC 5740, 5.3):
 * they fetch what did not come, and the others see that it is here before their own time is over.
 */
export class ImportGuard {
  readonly #draws: Float32Array;
  readonly #random: () => number;

  constructor(pieceCount: number, random: () => number) {
    this.#draws = new Float32Array(pieceCount);
    this.#random = random;
  }

  /** Pieces that may cross zones now, undefined: any, as nobody near delivers. `sources`: those that may be asked. */
  importable(table: PieceTable, sources: readonly Neighbour[], now: number): ((piece: number) => boolean) | undefined {
    const near = sources.filter((source) => source.near);
    if (near.every((source) => isSilent(source, now))) return undefined;
    const longest = Math.min(MAX_IMPORT_MS, IMPORT_MS_PER_NEIGHBOUR * near.length);
    const steep = Math.log(near.length + 1) + 1;
    return (piece) => {
      const draw = (this.#draws[piece] ||= this.#random());
      const waitMs = (longest * Math.log(1 + draw * Math.expm1(steep))) / steep;
      return table.seenBefore(piece, now - waitMs) && !near.some(({ bits }) => bits.has(piece));
    };
  }
}

function isSilent({ fetches }: Neighbour, now: number): boolean {
  for (const { startedAt, arrived } of fetches.values()) if (arrived === 0 && now - startedAt > SILENT_MS) return true;
  return false;
}
