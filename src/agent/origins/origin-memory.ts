import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../log.ts';
import { writeStateFile } from '../../swarm/network/state-file.ts';
import { isOriginName } from '../../origin/origin-name.ts';
import { normalizeOriginUrl, type OriginRecord } from '../../swarm/origin-directory.ts';

/** The origin that was learned, so that a restarted node has it before it has met anybody, whoever that is. */
export class OriginMemory {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(data: string) {
    this.#path = join(data, 'origin.json');
  }

  /** undefined without one, or where the file is damaged: then it is learned anew. */
  async read(): Promise<OriginRecord | undefined> {
    try {
      const { url, learnedAt, contested, name } = JSON.parse(await readFile(this.#path, 'utf8')) as Partial<
        Record<keyof OriginRecord, unknown>
      >;
      return {
        url: typeof url === 'string' ? normalizeOriginUrl(url) : undefined,
        learnedAt: typeof learnedAt === 'number' ? learnedAt : 0,
        contested: Array.isArray(contested)
          ? contested.flatMap((text: unknown) => (typeof text === 'string' ? (normalizeOriginUrl(text) ?? []) : []))
          : [],
        ...(typeof name === 'string' && isOriginName(name) ? { name } : {}),
      };
    } catch {
      return undefined;
    }
  }

  remember(record: OriginRecord, log: Logger): void {
    this.#writing = this.#writing
      .then(() => writeStateFile(this.#path, record))
      .catch((error: unknown) => log.warn('cannot remember the origin', { reason: String(error) }));
  }
}
