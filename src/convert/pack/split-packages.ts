import { createHash } from 'node:crypto';
import type { ScannedFile } from './scan.ts';

/** Overlay mounts and Docker take some 125 layers; these, the rest of the system and the adaptation stay below 120. */
const MAX_OWN_LAYERS = 76;
const SHARED_LAYERS = 40;
/** Smaller packages share layers: a layer costs every node a request and a lookup. */
const MIN_OWN_BYTES = 1024 * 1024;

export interface PackageLayer {
  /** `libc6:amd64`, or `small packages 7`. */
  readonly name: string;
  /** For each place, in the order of the places: names as tar takes them, sorted. */
  readonly files: readonly (readonly string[])[];
}

interface Member {
  readonly place: number;
  readonly name: string;
  readonly owner: string | undefined;
  readonly bytes: number;
}

/**
 * Deals a system's files out to layers that other installations of the same packages have too. What belongs to no package stays for the
 * layer on top, and so does a set of hard links that would be torn apart.
 */
export class PackageSplit {
  readonly #owners: ReadonlyMap<string, string>;
  readonly #members: Member[] = [];
  readonly #linked = new Map<string, Member[]>();

  /** @param owners from guest paths to packages */
  constructor(owners: ReadonlyMap<string, string>) {
    this.#owners = owners;
  }

  /** @param at where the place is in the guest */
  add(place: number, at: string, { type, path, inode, bytes, links }: ScannedFile): void {
    if (type === 'd') return;
    const owner = type === 'f' || type === 'l' ? this.#owners.get(`${at === '/' ? '' : at}${path.slice(1)}`) : undefined;
    const member = { place, name: path, owner, bytes };
    if (links === 1) {
      if (owner !== undefined) this.#members.push(member);
      return;
    }
    const key = `${place} ${inode}`;
    const set = this.#linked.get(key);
    if (set === undefined) this.#linked.set(key, [member]);
    else set.push(member);
  }

  layers(): PackageLayer[] {
    for (const set of this.#linked.values()) {
      if (set[0]!.owner !== undefined && set.every(({ owner }) => owner === set[0]!.owner)) this.#members.push(...set);
    }
    const sizes = new Map<string, number>();
    for (const { owner, bytes } of this.#members) sizes.set(owner!, (sizes.get(owner!) ?? 0) + bytes);
    const own = new Set(
      [...sizes]
        .filter(([, bytes]) => bytes >= MIN_OWN_BYTES)
        .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
        .slice(0, MAX_OWN_LAYERS)
        .map(([name]) => name),
    );
    const layers = new Map<string, (string[] | undefined)[]>();
    for (const { owner, place, name } of this.#members) {
      const layer = own.has(owner!) ? owner! : `small packages ${sharedLayer(owner!)}`;
      const files = layers.get(layer) ?? [];
      layers.set(layer, files);
      (files[place] ??= []).push(name);
    }
    return [...layers]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, files]) => ({ name, files: Array.from(files, (names = []) => names.sort(inTreeOrder)) }));
  }
}

/** As a walk comes to them that takes each folder's names in order: a slash before anything that a name can have. */
function inTreeOrder(a: string, b: string): number {
  return a.replaceAll('/', '\0') < b.replaceAll('/', '\0') ? -1 : 1;
}

/** By the name alone, so that a package lies in the same layer wherever it is installed. */
function sharedLayer(owner: string): number {
  return createHash('sha256').update(owner).digest().readUInt32BE(0) % SHARED_LAYERS;
}
