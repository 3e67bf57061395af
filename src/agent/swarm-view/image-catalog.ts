import type { SwarmImage } from '../../status/swarm-document.ts';
import { shown } from './shown.ts';
import type { Summary } from './summary.ts';

/** Different images of all members together, some 10 MiB; whoever names more is not listened to. One member names 500 at the most. */
const MAX_KNOWN = 20_000;
const MAX_LISTED = 1000;
/** A list of nodes tells the first of them. */
const MAX_NODES = 24;

interface Entry {
  readonly key: string;
  readonly reference: string;
  readonly digest: string;
  /** 0 while nobody knew it. */
  sizeBytes: number;
  readonly holds: Set<number>;
  readonly partly: Set<number>;
}

/** Which nodes say that they hold which images. Nodes are numbers. */
export class ImageCatalog {
  readonly #entries = new Map<string, Entry>();
  readonly #ofNode = new Map<number, readonly Entry[]>();
  #version = 0;

  /** Another one after each change. */
  get version(): number {
    return this.#version;
  }

  set(node: number, images: NonNullable<Summary['images']>): void {
    this.drop(node);
    const entries: Entry[] = [];
    for (const image of images) {
      const entry = this.#entry(image);
      if (entry === undefined) continue;
      (image.complete ? entry.holds : entry.partly).add(node);
      entries.push(entry);
    }
    this.#ofNode.set(node, entries);
  }

  drop(node: number): void {
    this.#version += 1;
    for (const entry of this.#ofNode.get(node) ?? []) {
      entry.holds.delete(node);
      entry.partly.delete(node);
      if (entry.holds.size + entry.partly.size === 0) this.#entries.delete(entry.key);
    }
    this.#ofNode.delete(node);
  }

  /** Complete ones. */
  countOf(node: number): number {
    return (this.#ofNode.get(node) ?? []).filter(({ holds }) => holds.has(node)).length;
  }

  /** What most nodes hold comes first: an image that one member made up displaces none. */
  list(): Record<string, SwarmImage> {
    const told = [...this.#ofNode.keys()].sort(byNumber);
    const entries = [...this.#entries.values()].sort(
      (a, b) => b.holds.size + b.partly.size - a.holds.size - a.partly.size || (a.key < b.key ? -1 : 1),
    );
    return Object.fromEntries(
      entries.slice(0, MAX_LISTED).map(({ key, reference, digest, sizeBytes, holds, partly }) => {
        const lacks = told.filter((node) => !holds.has(node) && !partly.has(node));
        return [
          key,
          {
            reference,
            digest,
            sizeBytes,
            holds: holds.size,
            partly: partly.size,
            lacks: lacks.length,
            holdsNodes: first(holds),
            partlyNodes: first(partly),
            lacksNodes: lacks.slice(0, MAX_NODES),
          },
        ];
      }),
    );
  }

  #entry({ reference, digest, size }: NonNullable<Summary['images']>[number]): Entry | undefined {
    const key = `${shown(reference)}@${digest}`;
    const known = this.#entries.get(key);
    if (known?.sizeBytes === 0) known.sizeBytes = size;
    if (known !== undefined || this.#entries.size >= MAX_KNOWN) return known;
    const entry: Entry = { key, reference: shown(reference), digest, sizeBytes: size, holds: new Set(), partly: new Set() };
    this.#entries.set(key, entry);
    return entry;
  }
}

function byNumber(a: number, b: number): number {
  return a - b;
}

function first(nodes: ReadonlySet<number>): number[] {
  return [...nodes].sort(byNumber).slice(0, MAX_NODES);
}
