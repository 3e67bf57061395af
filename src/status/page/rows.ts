import { bodyOf, el, fill, setClass, setText } from './dom.ts';
import { matches, pageOf } from './filter.ts';

export interface Column<T> {
  readonly label: string;
  readonly kind?: 'number' | 'name' | 'wide';
  readonly text: (item: T) => string;
  /** Another look of the cell's value, beside its text. */
  readonly tone?: (item: T) => string;
  readonly title?: (item: T) => string;
}

export interface RowsOptions<T> {
  readonly section: string;
  readonly perPage: number;
  readonly columns: readonly Column<T>[];
  readonly key: (item: T) => string;
  readonly haystack: (item: T) => readonly string[];
  /** Fills what opens below a row. */
  readonly more?: (element: HTMLElement, item: T) => void;
  readonly empty: string;
}

interface Row<T> {
  item: T;
  readonly cells: readonly HTMLElement[];
  readonly more: HTMLElement | undefined;
  readonly details: HTMLDetailsElement | undefined;
}

/** A list with columns where there is room, and cards where there is not; filtered, and a page at a time. */
export class Rows<T> {
  readonly #options: RowsOptions<T>;
  readonly #head: HTMLElement;
  readonly #list: HTMLElement;
  readonly #note = el('p', { class: 'soft empty' });
  readonly #pager: {
    readonly nav: HTMLElement;
    readonly text: HTMLElement;
    readonly previous: HTMLButtonElement;
    readonly next: HTMLButtonElement;
  };
  readonly #rows = new WeakMap<Element, Row<T>>();
  #page = 0;
  #last: { readonly items: readonly T[]; readonly filter: string } = { items: [], filter: '' };

  constructor(options: RowsOptions<T>) {
    this.#options = options;
    const { section, columns } = options;
    this.#list = el('ul', { class: 'rows', attributes: { role: 'list' } });
    this.#head = el(
      'div',
      { class: 'cells head', attributes: { 'aria-hidden': 'true' } },
      ...columns.map(({ label, kind }) => el('span', { class: `cell ${kind ?? ''}` }, label)),
    );
    const turn = (by: number) => (): void => {
      this.#page += by;
      this.#show();
    };
    const text = el('span', { class: 'soft', attributes: { role: 'status' } });
    const name = document.getElementById(`h-${section}`)?.textContent ?? section;
    const previous = el('button', { attributes: { type: 'button', 'aria-label': `Earlier ${name}` }, on: { click: turn(-1) } }, '‹');
    const next = el('button', { attributes: { type: 'button', 'aria-label': `Later ${name}` }, on: { click: turn(1) } }, '›');
    const nav = el('nav', { class: 'pager', attributes: { 'aria-label': `Pages of ${name}` } }, previous, text, next);
    this.#pager = { nav, text, previous, next };
    bodyOf(section).append(this.#head, this.#list, this.#note, nav);
  }

  /** How many fit the filter. */
  show(items: readonly T[], filter: string): number {
    if (filter !== this.#last.filter) this.#page = 0;
    this.#last = { items, filter };
    return this.#show();
  }

  #show(): number {
    const { perPage, key, haystack, empty } = this.#options;
    const { items, filter } = this.#last;
    const page = pageOf(
      items.filter((item) => matches(filter, ...haystack(item))),
      this.#page,
      perPage,
    );
    this.#page = page.page;
    fill(this.#list, page.items, {
      key,
      make: (item) => this.#make(item),
      update: (element, item) => {
        this.#update(element, item);
      },
    });
    setText(this.#note, items.length === 0 ? empty : 'Nothing here fits the filter.');
    this.#note.hidden = page.total > 0;
    this.#list.hidden = page.total === 0;
    this.#head.hidden = page.total === 0;
    const { nav, text, previous, next } = this.#pager;
    nav.hidden = page.pages === 1;
    setText(text, `${page.first}–${page.last} of ${page.total}`);
    previous.disabled = page.page === 0;
    next.disabled = page.page === page.pages - 1;
    return page.total;
  }

  #make(item: T): HTMLElement {
    const { columns, more } = this.#options;
    const values = columns.map(() => el('span', { class: 'value' }));
    const cells = columns.map(({ label, kind }, index) =>
      el('span', { class: `cell ${kind ?? ''}` }, el('span', { class: 'label' }, label), values[index]),
    );
    if (more === undefined) {
      const row = el('li', { class: 'row' }, el('div', { class: 'cells' }, ...cells));
      this.#rows.set(row, { item, cells: values, more: undefined, details: undefined });
      return row;
    }
    const below = el('div', { class: 'more' });
    const details = el('details', {}, el('summary', { class: 'cells' }, ...cells), below);
    const row = el('li', { class: 'row' }, details);
    this.#rows.set(row, { item, cells: values, more: below, details });
    details.addEventListener('toggle', () => {
      if (details.open) more(below, this.#rows.get(row)!.item);
      else below.replaceChildren();
    });
    return row;
  }

  #update(element: Element, item: T): void {
    const { columns, more } = this.#options;
    const row = this.#rows.get(element)!;
    row.item = item;
    for (const [index, { text, tone, title }] of columns.entries()) {
      const cell = row.cells[index]!;
      setText(cell, text(item));
      setClass(cell, `value ${tone?.(item) ?? ''}`.trim());
      const hint = title?.(item) ?? '';
      if (cell.title !== hint) cell.title = hint;
    }
    if (more !== undefined && row.details!.open) more(row.more!, item);
  }
}
