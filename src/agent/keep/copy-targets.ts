import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LayerswarmError } from '../../errors.ts';

const MAX_COPIES = 10_000;
const fileSchema = z.record(z.string().max(1000), z.int().min(1).max(MAX_COPIES));

/** How many nodes should hold each pinned image that has such a minimum; in a file beside the store. */
export class CopyTargets {
  readonly #path: string;
  readonly #targets: Map<string, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, targets: Map<string, number>) {
    this.#path = path;
    this.#targets = targets;
  }

  /** @throws `store-format` for a file that somebody damaged: forgetting silently what people asked to keep would be worse */
  static async open(data: string): Promise<CopyTargets> {
    const path = join(data, 'copies.json');
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return new CopyTargets(path, new Map());
    }
    try {
      return new CopyTargets(path, new Map(Object.entries(fileSchema.parse(JSON.parse(text)))));
    } catch (error) {
      throw new LayerswarmError(
        'store-format',
        `${path}: expected an object of references and numbers, received something else; remove it, and pin with --copies again`,
        { cause: error },
      );
    }
  }

  get size(): number {
    return this.#targets.size;
  }

  get(reference: string): number | undefined {
    return this.#targets.get(reference);
  }

  all(): readonly (readonly [string, number])[] {
    return [...this.#targets];
  }

  async set(reference: string, copies: number): Promise<void> {
    this.#targets.set(reference, copies);
    await this.#save();
  }

  async delete(reference: string): Promise<void> {
    if (this.#targets.delete(reference)) await this.#save();
  }

  /** Writes follow each other; the last one holds all. */
  #save(): Promise<void> {
    this.#writing = this.#writing.then(
      () => this.#write(),
      () => this.#write(),
    );
    return this.#writing;
  }

  async #write(): Promise<void> {
    await writeFile(`${this.#path}.tmp`, `${JSON.stringify(Object.fromEntries(this.#targets), undefined, 2)}\n`, {
      mode: 0o600,
      flush: true,
    });
    await rename(`${this.#path}.tmp`, this.#path);
  }
}
