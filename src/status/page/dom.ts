type Child = Node | string | undefined;

interface Props {
  readonly class?: string;
  readonly id?: string;
  readonly title?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly on?: { readonly [Type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Type]) => void };
}

/** An element. Everything from a node is set as text, never as markup: names in it come from strangers. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (props.class !== undefined) element.className = props.class;
  if (props.id !== undefined) element.id = props.id;
  if (props.title !== undefined) element.title = props.title;
  for (const [name, value] of Object.entries(props.attributes ?? {})) element.setAttribute(name, value);
  for (const [type, listener] of Object.entries(props.on ?? {})) element.addEventListener(type, listener as EventListener);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function svg(tag: string, attributes: Readonly<Record<string, string | number>>, ...children: readonly Child[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setClass(element: Element, name: string): void {
  if (element.getAttribute('class') !== name) element.setAttribute('class', name);
}

/** The part of a section that scripts fill. */
export function bodyOf(section: string): HTMLElement {
  return document.querySelector<HTMLElement>(`#${section} > .body`)!;
}

export interface Keyed<T, E extends Element> {
  readonly key: (item: T) => string;
  readonly make: (item: T) => E;
  readonly update: (element: E, item: T) => void;
}

const made = new WeakMap<Element, Map<string, Element>>();

/**
 * Makes the children of an element be these, in this order. The element of an item is kept while the item is there: what is open
 * stays open, and who has the focus keeps it.
 */
export function fill<T, E extends Element>(parent: Element, items: readonly T[], { key, make, update }: Keyed<T, E>): void {
  const before = made.get(parent) ?? new Map<string, Element>();
  const now = new Map<string, Element>();
  for (const item of items) {
    const name = key(item);
    const element = (before.get(name) ?? make(item)) as E;
    update(element, item);
    now.set(name, element);
  }
  for (const [name, element] of before) if (!now.has(name)) element.remove();
  let place = parent.firstElementChild;
  for (const element of now.values()) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  made.set(parent, now);
}
