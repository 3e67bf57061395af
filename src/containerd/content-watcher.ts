import { watch, type FSWatcher } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../log.ts';
import { Digest } from '../oci/digest.ts';
import type { ContentInfo, ContentList } from './content-client.ts';
import type { ContentStoreBlobs } from './content-store-blobs.ts';

/** A pull commits its blobs within moments of each other. */
const SETTLE_MS = 200;
/** containerd renames a blob into its place first, and lists it once its database has it. */
const SECOND_LOOK_MS = 2000;
const RESCAN_MS = 60_000;
/** While containerd cannot be reached, or its folder cannot be watched: it makes that one with the first blob. */
const RETRY_MS = 5000;

export interface ContentWatcherOptions {
  readonly content: ContentStoreBlobs;
  readonly list: ContentList;
  readonly namespaces: readonly string[];
  /** The folder that holds `sha256/`. */
  readonly blobs: string;
  readonly mayShare: (info: ContentInfo) => boolean;
  readonly log: Logger;
}

export type ContentState = { readonly state: 'starting' | 'ok' } | { readonly state: 'unreachable'; readonly reason: string };

/**
 * Keeps `ContentStoreBlobs` in step with containerd. What there is, and from where it came, containerd's list says; when to ask, the
 * folder says: a blob comes by a rename and goes by an unlink, and inotify tells of both at once. containerd's own events do not: up
 * to 1.7 it publishes none when content is committed, and none for what its garbage collection removes.
 */
export class ContentWatcher {
  readonly #options: ContentWatcherOptions;
  readonly #closed = new AbortController();
  #watcher: FSWatcher | undefined;
  /** By how long they wait. */
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #scanning: Promise<void> | undefined;
  #again = false;
  #state: ContentState = { state: 'starting' };

  constructor(options: ContentWatcherOptions) {
    this.#options = options;
  }

  get state(): ContentState {
    return this.#state;
  }

  start(): void {
    this.#watch();
    void this.scan();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#watcher?.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await this.#scanning;
    this.#options.list.close();
  }

  /** Compares with containerd's list; one run at a time, and one more for those that asked meanwhile. Never throws. */
  scan(): Promise<void> {
    if (this.#scanning !== undefined) this.#again = true;
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = undefined;
      if (this.#again) this.#later(SETTLE_MS);
      else this.#later(this.#state.state === 'unreachable' || this.#watcher === undefined ? RETRY_MS : RESCAN_MS);
      this.#again = false;
    });
    return this.#scanning;
  }

  async #scan(): Promise<void> {
    const { list, namespaces, content, mayShare, log } = this.#options;
    try {
      const found = new Map<string, ContentInfo>();
      for (const namespace of namespaces) {
        // The same blob may be there for one namespace from a repository that is shared, and for another from one that is not.
        for (const info of await list.list(namespace, this.#closed.signal)) if (mayShare(info)) found.set(info.digest.toString(), info);
      }
      this.#watch();
      for (const { digest } of Array.from(content.all())) if (!found.has(digest.toString())) content.remove(digest);
      for (const { digest, size } of found.values()) if (await this.#isThere(digest)) content.add(digest, size);
      if (this.#state.state !== 'ok') log.info('containerd lists its content', { shared: found.size });
      this.#state = { state: 'ok' };
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      // What is known stays: files are not gone because containerd is restarted, and the folder tells of those that go.
      if (this.#state.state !== 'unreachable') log.warn('cannot follow what containerd holds; trying again', { reason });
      this.#state = { state: 'unreachable', reason };
    }
  }

  /** The folder is there once containerd has run. */
  #watch(): void {
    if (this.#watcher !== undefined || this.#closed.signal.aborted) return;
    try {
      this.#watcher = watch(join(this.#options.blobs, 'sha256'), { persistent: false }, (_event, name) => {
        if (name !== null) void this.#onFile(name);
      });
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      // Not there yet, or no watch is left on this host: the rescans find what changed.
      this.#watcher = undefined;
    }
  }

  async #onFile(name: string): Promise<void> {
    const digest = Digest.tryParse(`sha256:${name}`);
    if (digest === undefined) return;
    if (!(await this.#isThere(digest))) this.#options.content.remove(digest);
    else if (this.#options.content.size(digest) === undefined) {
      this.#later(SETTLE_MS);
      this.#later(SECOND_LOOK_MS);
    }
  }

  async #isThere(digest: Digest): Promise<boolean> {
    return await lstat(this.#options.content.path(digest)).then(
      (stat) => stat.isFile(),
      () => false,
    );
  }

  #later(ms: number): void {
    if (this.#closed.signal.aborted) return;
    // Many files change at once: one timer of a kind is enough.
    if (this.#timers.has(ms)) return;
    this.#timers.set(
      ms,
      setTimeout(() => {
        this.#timers.delete(ms);
        void this.scan();
      }, ms).unref(),
    );
  }
}
