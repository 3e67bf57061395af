/** Pure: whether a text has every word of what a person typed, in any order. */
export function matches(filter: string, ...texts: readonly string[]): boolean {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return true;
  const text = texts.join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

export interface Page<T> {
  readonly items: readonly T[];
  /** From 0; the last one there is where more was asked for. */
  readonly page: number;
  readonly pages: number;
  /** Of the first item, from 1; 0 where there is none. */
  readonly first: number;
  readonly last: number;
  readonly total: number;
}

/** Pure: one page of a list. */
export function pageOf<T>(items: readonly T[], wanted: number, perPage: number): Page<T> {
  const pages = Math.max(1, Math.ceil(items.length / perPage));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  const start = page * perPage;
  const shown = items.slice(start, start + perPage);
  return { items: shown, page, pages, first: shown.length === 0 ? 0 : start + 1, last: start + shown.length, total: items.length };
}
