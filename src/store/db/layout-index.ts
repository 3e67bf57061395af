import { keepFile } from '../disk/durable-file.ts';
import type { Metadata } from './metadata.ts';
import type { StoreLayout } from '../disk/store-layout.ts';

/** OCI image specification, annotations.md: the name that `oci:DIR:NAME` selects. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** The manifest, and what it leads to, is held as embedded origin: what a rebuilt database takes the mark from. */
export const ORIGIN_MARK = 'io.layerswarm.origin';

const TAGGED = `
SELECT tags.repository, tags.tag, tags.digest, media_type, size, origin
FROM tags JOIN manifests USING (digest) JOIN blobs USING (digest)
ORDER BY tags.repository, tags.tag`;

/** `index.json` of the OCI image layout: every tagged manifest that is here, by its full name. Written some time after changes. */
export class LayoutIndex {
  readonly #layout: StoreLayout;
  readonly #metadata: Metadata;
  readonly #delayMs: number;
  #isStale = true;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: { layout: StoreLayout; metadata: Metadata; delayMs: number }) {
    this.#layout = parts.layout;
    this.#metadata = parts.metadata;
    this.#delayMs = parts.delayMs;
  }

  changed(): void {
    this.#isStale = true;
    // a failure leaves it stale: the next change or the end tries again
    this.#timer ??= setTimeout(() => void this.write().catch(() => undefined), this.#delayMs).unref();
  }

  /** Writes it now where it is not up to date. @throws `disk-full`, `store-unwritable` */
  async write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const write = this.#writing.then(() => this.#write());
    this.#writing = write.catch(() => undefined); // the caller gets the error
    await write;
  }

  async #write(): Promise<void> {
    if (!this.#isStale) return;
    this.#isStale = false;
    try {
      await keepFile(this.#layout.index, `${JSON.stringify(this.#document())}\n`, this.#layout.temp);
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  #document(): unknown {
    const manifests = this.#metadata
      .statement(TAGGED)
      .all()
      .map((row) => ({
        mediaType: row['media_type'],
        digest: row['digest'],
        size: row['size'],
        annotations: {
          [REF_NAME]: `${String(row['repository'])}:${String(row['tag'])}`,
          ...(row['origin'] === 1 ? { [ORIGIN_MARK]: 'true' } : {}),
        },
      }));
    return { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests };
  }
}
