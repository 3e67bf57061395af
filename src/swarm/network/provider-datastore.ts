import { NotFoundError } from '@libp2p/interface';
import { BaseDatastore } from 'datastore-core';
import { Key, type KeyQuery, type Pair, type Query } from 'interface-datastore';

const MAX_RECORDS = 200_000;

/**
 * A datastore in memory whose entries are found by the folder of their key. The DHT keeps one record a provider under
 * `…/provider/<content>/<peer>` and asks for all below one content; `MemoryDatastore` walks through everything for that. Who
 * fills it with records pushes out the oldest.
 */
export class ProviderDatastore extends BaseDatastore {
  readonly #folders = new Map<string, Map<string, Uint8Array>>();
  #size = 0;

  override put(key: Key, value: Uint8Array): Key {
    const { folder, name } = split(key.toString());
    const entries = this.#folders.get(folder) ?? new Map<string, Uint8Array>();
    // Set again at the end: a map lists its keys in the order in which they came.
    this.#folders.delete(folder);
    this.#folders.set(folder, entries);
    if (!entries.has(name)) this.#size += 1;
    entries.set(name, value);
    if (this.#size > MAX_RECORDS) this.#dropOldest();
    return key;
  }

  override get(key: Key): Uint8Array {
    const { folder, name } = split(key.toString());
    const value = this.#folders.get(folder)?.get(name);
    if (value === undefined) throw new NotFoundError('no such record');
    return value;
  }

  override has(key: Key): boolean {
    const { folder, name } = split(key.toString());
    return this.#folders.get(folder)?.has(name) === true;
  }

  override delete(key: Key): void {
    const { folder, name } = split(key.toString());
    this.#remove(folder, name);
  }

  /** All that `BaseDatastore.query` may choose from. No folder's name is the beginning of another's here: contents are hashes. */
  override *_all(query: Query): Generator<Pair> {
    const only = this.#folders.get((query.prefix ?? '').replace(/\/$/, ''));
    if (only !== undefined) yield* pairs(query.prefix!.replace(/\/$/, ''), only);
    else for (const [folder, entries] of this.#folders) yield* pairs(folder, entries);
  }

  override *_allKeys(_query: KeyQuery): Generator<Key> {
    for (const [folder, entries] of this.#folders) for (const name of entries.keys()) yield new Key(`${folder}/${name}`, false);
  }

  #dropOldest(): void {
    const [folder] = this.#folders.keys();
    const [name] = this.#folders.get(folder!)!.keys();
    this.#remove(folder!, name!);
  }

  #remove(folder: string, name: string): void {
    const entries = this.#folders.get(folder);
    if (entries?.delete(name) !== true) return;
    this.#size -= 1;
    if (entries.size === 0) this.#folders.delete(folder);
  }
}

function* pairs(folder: string, entries: Map<string, Uint8Array>): Generator<Pair> {
  for (const [name, value] of entries) yield { key: new Key(`${folder}/${name}`, false), value };
}

function split(key: string): { folder: string; name: string } {
  const at = key.lastIndexOf('/');
  return { folder: key.slice(0, at), name: key.slice(at + 1) };
}
