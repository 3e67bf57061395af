import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../log.ts';
import { MAX_CHARTER_BYTES } from '../../swarm/charter/signed-charter.ts';
import { writeStateText } from '../../swarm/network/state-file.ts';

/** The charter that a node follows, as it was signed: `DIR/charter`. A restarted node has it before it has met anybody. */
export class CharterFile {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(data: string) {
    this.#path = join(data, 'charter');
  }

  /** undefined without one. */
  async read(): Promise<string | undefined> {
    try {
      const bytes = await readFile(this.#path);
      return bytes.length > MAX_CHARTER_BYTES ? undefined : bytes.toString('utf8');
    } catch {
      return undefined; // whatever it was, members have it
    }
  }

  keep(text: string, log: Logger): void {
    this.#writing = this.#writing
      .then(() => writeStateText(this.#path, text))
      .catch((error: unknown) => log.warn('cannot keep the charter', { reason: String(error) }));
  }

  /** All is written. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}
