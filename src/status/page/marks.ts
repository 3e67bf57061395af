import { shares } from '../../quantity.ts';

/** A letter a source, as in `layerswarm demo`: O the origin, then the nodes. */
const LETTERS = '123456789abcdefghijklmnpqrstuvwxyzABCDEFGHIJKLMNPQRSTUVWXYZ';
const COLOURS = 8;
/** Sources that left are forgotten when there are more than so many. */
const MAX_MARKS = 1000;

export interface Mark {
  readonly letter: string;
  /** Of a class `c…` of the style. */
  readonly colour: string;
}

const ORIGIN: Mark = { letter: 'O', colour: 'c-origin' };

/** Which letter and colour stand for whom: the same for as long as the page is open, whoever comes and goes. */
export class Marks {
  readonly #marks = new Map<string, Mark>();

  /** Gives marks out, in this order. */
  meet(peerIds: readonly string[]): void {
    for (const peerId of peerIds) this.of(peerId);
  }

  of(source: string): Mark {
    if (source === 'origin') return ORIGIN;
    const known = this.#marks.get(source);
    if (known !== undefined) return known;
    if (this.#marks.size >= MAX_MARKS) this.#marks.clear();
    const index = this.#marks.size;
    const mark = { letter: LETTERS[index] ?? '·', colour: `c-${index % COLOURS}` };
    this.#marks.set(source, mark);
    return mark;
  }
}

export interface StripPart {
  /** `here`: it was here before the transfer began; `missing`: it is not here yet. */
  readonly kind: 'source' | 'here' | 'missing';
  /** Empty but for a source. */
  readonly source: string;
  readonly cells: number;
}

/** Pure: a strip of so many cells, one colour a source, the origin first, in proportion to what each gave: of several blobs together. */
export function stripOf(
  sources: readonly { readonly source: string; readonly bytes: number }[],
  haveBytes: number,
  sizeBytes: number | null,
  cells: number,
): StripPart[] {
  const given = sources.reduce((sum, { bytes }) => sum + bytes, 0);
  // what came twice counts once
  const scale = given > haveBytes ? haveBytes / given : 1;
  const whole = Math.max(sizeBytes ?? 0, haveBytes, 1);
  const rows = [
    ...sources
      .filter(({ bytes }) => bytes > 0)
      .sort((a, b) => rankOf(a.source) - rankOf(b.source))
      .map(({ source, bytes }) => ({ kind: 'source' as const, source, bytes: bytes * scale })),
    { kind: 'here' as const, source: '', bytes: Math.max(0, haveBytes - given) },
    { kind: 'missing' as const, source: '', bytes: whole - haveBytes },
  ];
  const counts = shares(
    rows.map(({ bytes }) => bytes),
    cells,
  );
  return rows.map(({ kind, source }, index): StripPart => ({ kind, source, cells: counts[index]! })).filter((part) => part.cells > 0);
}

/** Pure: a strip of which cell is what: of one blob, in its order. See `SwarmTransfer.strip`. */
export function stripInOrder(strip: readonly number[], sources: readonly { readonly source: string }[]): StripPart[] {
  return strip.map((index): StripPart => {
    const source = sources[index]?.source;
    return source === undefined
      ? { kind: index === -1 ? 'missing' : index === -2 ? 'here' : 'source', source: '', cells: 1 }
      : { kind: 'source', source, cells: 1 };
  });
}

/** Cells from the beginning that are there without a gap. */
export function unbroken(strip: readonly number[]): number {
  const gap = strip.indexOf(-1);
  return gap === -1 ? strip.length : gap;
}

function rankOf(source: string): number {
  return source === 'origin' ? 0 : 1;
}
