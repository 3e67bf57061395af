import type { Digest } from '../../oci/digest.ts';
import type { BlobReader } from '../../store/blob-store.ts';
import type { ExchangeStore } from './exchange-store.ts';

/** A blob that nobody asked for in this time is closed, so that it can be evicted. */
const IDLE_MS = 5000;

interface Entry {
  readonly reader: Promise<BlobReader | undefined>;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

export interface OpenBlob {
  readonly reader: BlobReader;
  /** It is needed no longer. Once. */
  release(): void;
}

/** Complete blobs that members are asking for: opened once for all of their requests. */
export class OpenBlobs {
  readonly #store: Pick<ExchangeStore, 'open'>;
  readonly #entries = new Map<string, Entry>();

  constructor(store: Pick<ExchangeStore, 'open' | 'onRemoved'>) {
    this.#store = store;
    store.onRemoved((digest) => {
      this.#forget(digest.toString());
    });
  }

  /** Undefined when the blob is not here. */
  async use(blob: Digest): Promise<OpenBlob | undefined> {
    const key = blob.toString();
    const entry = this.#entries.get(key) ?? this.#open(blob);
    entry.users++;
    clearTimeout(entry.idle);
    const reader = await entry.reader;
    if (reader !== undefined)
      return {
        reader,
        release: () => {
          this.#release(key, entry);
        },
      };
    entry.users--;
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    return undefined;
  }

  /** Closes what nobody reads just now. */
  async closeIdle(): Promise<void> {
    const idle = [...this.#entries].filter(([, { users }]) => users === 0);
    for (const [key] of idle) this.#entries.delete(key);
    await Promise.all(
      idle.map(async ([, entry]) => {
        clearTimeout(entry.idle);
        await this.#close(entry);
      }),
    );
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) {
      clearTimeout(entry.idle);
      if (entry.users === 0) await this.#close(entry);
    }
  }

  #open(blob: Digest): Entry {
    const entry: Entry = { reader: this.#openReader(blob), users: 0, idle: undefined };
    this.#entries.set(blob.toString(), entry);
    return entry;
  }

  async #openReader(blob: Digest): Promise<BlobReader | undefined> {
    return await this.#store.open(blob).catch(() => undefined);
  }

  #release(key: string, entry: Entry): void {
    entry.users--;
    if (entry.users > 0) return;
    if (this.#entries.get(key) !== entry) void this.#close(entry);
    else
      entry.idle = setTimeout(() => {
        this.#forget(key);
      }, IDLE_MS).unref();
  }

  /** Whoever reads it just now reads on. */
  #forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    clearTimeout(entry.idle);
    if (entry.users === 0) void this.#close(entry);
  }

  async #close({ reader }: Entry): Promise<void> {
    await (await reader)?.close();
  }
}
