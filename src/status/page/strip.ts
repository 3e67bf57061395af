import { el, setText } from './dom.ts';
import { percent } from './format.ts';
import { stripInOrder, stripOf, unbroken, type Marks } from './marks.ts';

const CELLS = 48;
const LEGEND = 6;
/** Gave something, and is not among those that are listed. */
const OTHER = { letter: '·', colour: 'c-here' };

interface Given {
  readonly sources: readonly { readonly source: string; readonly bytes: number }[];
  readonly haveBytes: number;
  readonly sizeBytes: number | null;
  /** As `SwarmTransfer.strip`; without one the cells are shares, in no order of the blob. */
  readonly strip?: readonly number[];
}

const shown = new WeakMap<Element, string>();

/** A transfer as its pieces: a cell for each part, with the letter and colour of whoever gave it. */
export function makeStrip(): HTMLElement {
  return el('div', { class: 'strip', attributes: { role: 'img' } }, ...Array.from({ length: CELLS }, () => el('i')));
}

export function updateStrip(
  element: Element,
  { sources, haveBytes, sizeBytes, strip = [] }: Given,
  marks: Marks,
  nameOf: (source: string) => string,
): void {
  const isInOrder = strip.length === CELLS;
  const parts = isInOrder ? stripInOrder(strip, sources) : stripOf(sources, haveBytes, sizeBytes, CELLS);
  const cells = parts.flatMap(({ kind, source, cells }) => {
    const { letter, colour } =
      kind === 'source'
        ? source === ''
          ? OTHER
          : marks.of(source)
        : kind === 'here'
          ? { letter: '=', colour: 'c-here' }
          : { letter: '', colour: 'c-missing' };
    return Array.from({ length: cells }, () => ({ letter, colour }));
  });
  const picture = cells.map(({ letter, colour }) => `${letter}${colour}`).join();
  if (shown.get(element) !== picture) {
    shown.set(element, picture);
    for (const [index, { letter, colour }] of cells.entries()) {
      const cell = element.children[index]!;
      cell.className = colour;
      setText(cell, letter);
    }
  }
  const told = sources
    .filter(({ bytes }) => bytes > 0)
    .slice(0, LEGEND)
    .map(({ source, bytes }) => `${percent(bytes, haveBytes)} from ${nameOf(source)}`);
  const begun = isInOrder && told.length > 0 ? `; without a gap from its beginning: ${percent(unbroken(strip), CELLS)}` : '';
  element.setAttribute('aria-label', told.length === 0 ? 'nothing has come yet' : `${told.join(', ')}${begun}`);
}

/** Of a blob that came whole: who gave which parts of it, by their number alone. */
export function updateStripOfBlob(
  element: Element,
  strip: readonly number[],
  sources: Given['sources'],
  marks: Marks,
  nameOf: (source: string) => string,
): void {
  const given = sources.map(({ source }, place) => ({ source, bytes: strip.filter((index) => index === place).length }));
  updateStrip(element, { sources: given, haveBytes: strip.filter((index) => index !== -1).length, sizeBytes: CELLS, strip }, marks, nameOf);
}

/** Who the letters of a strip are. */
export function legendOf({ sources, haveBytes }: Given, marks: Marks, nameOf: (source: string) => string): Node[] {
  const most = [...sources].sort((a, b) => Number(b.source === 'origin') - Number(a.source === 'origin') || b.bytes - a.bytes);
  const here = haveBytes - sources.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...most.slice(0, LEGEND).map(({ source, bytes }) => {
      const { letter, colour } = marks.of(source);
      return el(
        'li',
        {},
        el('i', { class: `key ${colour}`, attributes: { 'aria-hidden': 'true' } }, letter),
        el('bdi', {}, nameOf(source)),
        el('span', { class: 'soft' }, percent(bytes, haveBytes)),
      );
    }),
    ...(most.length > LEGEND ? [el('li', { class: 'soft' }, `and ${most.length - LEGEND} more`)] : []),
    ...(here > haveBytes / 100
      ? [
          el(
            'li',
            {},
            el('i', { class: 'key c-here', attributes: { 'aria-hidden': 'true' } }, '='),
            'was here',
            el('span', { class: 'soft' }, percent(here, haveBytes)),
          ),
        ]
      : []),
  ];
}
