import { statfs } from 'node:fs/promises';

export type DiskSpace =
  | { readonly kind: 'known'; readonly freeBytes: number; readonly freeInodes: number | undefined }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** How much room the file system of a folder has, as it was looked at last. */
export class DiskWatch {
  readonly #folder: string;
  readonly reserveBytes: number;
  #space: DiskSpace | undefined;

  /** @param reserveBytes what the store leaves free */
  constructor(folder: string, reserveBytes: number) {
    this.#folder = folder;
    this.reserveBytes = reserveBytes;
  }

  get space(): DiskSpace | undefined {
    return this.#space;
  }

  /** Never throws. */
  async look(): Promise<void> {
    try {
      const { bavail, bsize, files, ffree } = await statfs(this.#folder);
      this.#space = { kind: 'known', freeBytes: bavail * bsize, freeInodes: files === 0 ? undefined : ffree };
    } catch (error) {
      this.#space = { kind: 'unreadable', reason: (error as NodeJS.ErrnoException).code ?? String(error) };
    }
  }
}
