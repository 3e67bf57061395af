import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade } from '../blob-store.ts';
import type { EvictionCandidate } from '../blobs/eviction.ts';
import type { OpenPartial, OwnedPartial } from './partial-owner.ts';
import { readPartialState } from './partial-state.ts';
import { storeError } from '../store-error.ts';
import { digestOfName, type StoreLayout } from '../disk/store-layout.ts';
import type { SyncPolicy } from '../disk/sync-policy.ts';

/** `opening` keeps a second owner out, and counts in full, while room is made and the files are opened, or removed. */
type Entry =
  | { readonly state: 'opening'; readonly digest: Digest; readonly size: number; readonly haveBytes: number }
  | { readonly state: 'open'; readonly digest: Digest; readonly size: number; readonly file: OwnedPartial }
  | { readonly state: 'idle'; readonly digest: Digest; readonly size: number; readonly haveBytes: number; readonly usedAt: number };

interface Parts {
  readonly layout: StoreLayout;
  readonly sync: SyncPolicy;
  readonly now: () => number;
  readonly publish: (partial: OwnedPartial) => Promise<void>;
  /** The blob is here whole. */
  readonly isStored: (digest: Digest) => boolean;
}

/** The unfinished blobs: who has one open, and what the others take up. */
export class PartialSet {
  readonly #parts: Parts;
  readonly #entries = new Map<string, Entry>();
  /** Who waits until an entry is no longer as it is, by digest. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Finds what an earlier run left, and removes files that nobody could go on with. */
  async load(): Promise<void> {
    const { layout } = this.#parts;
    try {
      const names = await readdir(layout.partial);
      for (const name of names) {
        const digest = name.endsWith('.state') ? digestOfName(name.slice(0, -'.state'.length)) : undefined;
        const entry = digest === undefined ? undefined : await this.#inspect(digest);
        if (entry !== undefined) this.#entries.set(entry.digest.toString(), entry);
      }
      const belongs = new Set([...this.#entries.values()].flatMap(({ digest }) => Object.values(layout.partialFiles(digest))));
      for (const path of names.map((name) => join(layout.partial, name))) {
        if (!belongs.has(path)) await rm(path, { recursive: true, force: true });
      }
    } catch (error) {
      throw storeError(error, `read ${layout.partial}`);
    }
  }

  /** Waits for an owner that is letting go. @throws `unavailable` while there is another; what opening the files throws */
  async open<T extends OwnedPartial>(
    digest: Digest,
    size: number,
    pieceLength: number,
    openPartial: OpenPartial<T>,
    makeRoom: () => Promise<void>,
  ): Promise<T> {
    const key = digest.toString();
    const before = await this.#unowned(key);
    const haveBytes = before?.size === size ? before.haveBytes : 0;
    this.#entries.set(key, { state: 'opening', digest, size, haveBytes });
    const owner = { sync: this.#parts.sync, haveBytes, publish: this.#parts.publish, closed: (file: OwnedPartial) => this.#closed(file) };
    try {
      await makeRoom();
      const file = await openPartial(owner, this.#parts.layout.partialFiles(digest), digest, size, pieceLength);
      this.#entries.set(key, { state: 'open', digest, size, file });
      return file;
    } catch (error) {
      if (before === undefined) this.#entries.delete(key);
      else this.#entries.set(key, before);
      throw storeError(error, `open the partial blob ${key}`);
    } finally {
      this.#changed(key);
    }
  }

  *list(): Iterable<{ digest: Digest; size: number; haveBytes: number }> {
    for (const entry of this.#entries.values()) yield { digest: entry.digest, size: entry.size, haveBytes: haveBytesOf(entry) };
  }

  isOpen(digest: Digest): boolean {
    const state = this.#entries.get(digest.toString())?.state;
    return state === 'open' || state === 'opening';
  }

  /** An open one goes on without a name, and can no longer be committed. */
  async delete(digest: Digest): Promise<boolean> {
    const entry = this.#entries.get(digest.toString());
    if (entry === undefined || entry.state === 'opening') return false;
    if (entry.state === 'idle') {
      await this.#drop(entry);
      return true;
    }
    if (entry.file.removed) return false;
    entry.file.markRemoved();
    await this.#removeFiles(digest);
    return true;
  }

  /** The blob came whole another way: nobody will go on with this one. Who has it open drops it when it is closed. */
  async superseded(digest: Digest): Promise<void> {
    const entry = this.#entries.get(digest.toString());
    // what cannot be removed now goes when the store opens
    if (entry?.state === 'idle') await this.#drop(entry).catch(() => undefined);
  }

  /** Those that nobody has open. */
  idle(): EvictionCandidate[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.state === 'idle')
      .map((entry) => ({ key: entry.digest.toString(), digest: entry.digest, size: entry.haveBytes, usedAt: entry.usedAt, partial: true }));
  }

  /** What all of them count for: one that has an owner with its full size, others with what they have. */
  chargedBytes(): number {
    return this.#sum((entry) => (entry.state === 'idle' ? entry.haveBytes : entry.size));
  }

  /** What those that have an owner are yet to write. */
  outstandingBytes(): number {
    return this.#sum((entry) => (entry.state === 'idle' ? 0 : entry.size - haveBytesOf(entry)));
  }

  async closeAll(): Promise<void> {
    for (const entry of this.#entries.values()) {
      if (entry.state === 'open') await entry.file.close();
    }
  }

  async #closed(file: OwnedPartial): Promise<void> {
    const { digest, size } = file;
    const key = digest.toString();
    const kept = !file.removed && !file.committed && file.haveBytes() > 0 && !this.#parts.isStored(digest);
    try {
      if (!kept && !file.committed) await this.#removeFiles(digest);
    } finally {
      if (kept) this.#entries.set(key, { state: 'idle', digest, size, haveBytes: file.haveBytes(), usedAt: this.#parts.now() });
      else this.#entries.delete(key);
      this.#changed(key);
    }
  }

  /** The entry of a blob that nobody has open, once that is so: who asks again right after a failure finds what failed still closing. */
  async #unowned(key: string): Promise<Extract<Entry, { state: 'idle' }> | undefined> {
    for (;;) {
      const entry = this.#entries.get(key);
      if (entry === undefined || entry.state === 'idle') return entry;
      if (entry.state === 'open' && !entry.file.closing)
        throw new LayerswarmError('unavailable', `the partial blob ${key} is open already`);
      let waiting = this.#waiting.get(key);
      if (waiting === undefined) this.#waiting.set(key, (waiting = Promise.withResolvers<void>()));
      await waiting.promise;
      // an owner that gave up while its files were being opened closes them in its next step
      await nextTurn();
    }
  }

  #changed(key: string): void {
    this.#waiting.get(key)?.resolve();
    this.#waiting.delete(key);
  }

  async #inspect(digest: Digest): Promise<Entry | undefined> {
    const paths = this.#parts.layout.partialFiles(digest);
    const state = await readPartialState(paths.state, digest);
    const data = await stat(paths.data).catch(() => undefined);
    if (state === undefined || data?.size !== state.size || this.#parts.isStored(digest)) return undefined;
    const haveBytes = state.grades.reduce((sum, grade, piece) => {
      const length = Math.min(state.pieceLength, state.size - piece * state.pieceLength);
      return grade === Grade.missing ? sum : sum + length;
    }, 0);
    return { state: 'idle', digest, size: state.size, haveBytes, usedAt: Math.round(data.mtimeMs) };
  }

  async #drop({ digest, haveBytes }: Extract<Entry, { state: 'idle' }>): Promise<void> {
    const key = digest.toString();
    this.#entries.set(key, { state: 'opening', digest, size: haveBytes, haveBytes });
    try {
      await this.#removeFiles(digest);
    } finally {
      this.#entries.delete(key);
      this.#changed(key);
    }
  }

  async #removeFiles(digest: Digest): Promise<void> {
    const { data, state } = this.#parts.layout.partialFiles(digest);
    try {
      await rm(data, { force: true });
      await rm(state, { force: true });
    } catch (error) {
      throw storeError(error, `remove the partial blob ${digest.toString()}`);
    }
  }

  #sum(count: (entry: Entry) => number): number {
    let sum = 0;
    for (const entry of this.#entries.values()) sum += count(entry);
    return sum;
  }
}

function haveBytesOf(entry: Entry): number {
  return entry.state === 'open' ? entry.file.haveBytes() : entry.haveBytes;
}
