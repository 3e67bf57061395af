import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../log.ts';
import { normalizeOriginUrl } from '../swarm/origin-directory.ts';

/** The origin that was learned last, so that a restarted node knows one before it has met anybody. */
export class OriginMemory {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(data: string) {
    this.#path = join(data, 'origin.json');
  }

  /** undefined without one, or where the file is damaged: then it is learned anew. */
  async read(): Promise<string | undefined> {
    try {
      const { url } = JSON.parse(await readFile(this.#path, 'utf8')) as { url?: unknown };
      return typeof url === 'string' ? normalizeOriginUrl(url) : undefined;
    } catch {
      return undefined;
    }
  }

  remember(url: string, log: Logger): void {
    this.#writing = this.#writing.then(() => this.#write(url)).catch((error: unknown) => log.warn('cannot remember the origin', { reason: String(error) }));
  }

  async #write(url: string): Promise<void> {
    await writeFile(`${this.#path}.tmp`, `${JSON.stringify({ url })}\n`);
    await rename(`${this.#path}.tmp`, this.#path);
  }
}
