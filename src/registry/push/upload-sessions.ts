import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFolders } from '../../folders.ts';
import { OciError } from '../http-error.ts';
import { type MakeRoom, UploadSession } from './upload-session.ts';

export const MAX_SESSIONS = 256;
/** After which an upload that nobody goes on with is forgotten. */
const MAX_IDLE_MS = 3_600_000;
const SWEEP_MS = 60_000;
const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface UploadSessionsOptions {
  /** Holds the files of unfinished uploads and nothing else; emptied at start, since clients do not go on with an upload of an earlier run. */
  readonly folder: string;
  readonly now: () => number;
  /** Keeps the disk from being filled to its last byte; without it nothing is asked. */
  readonly makeRoom?: MakeRoom;
  readonly maxSessions?: number;
}

/** Unfinished uploads: limited in number, and forgotten when nobody comes back for them. */
export class UploadSessions {
  readonly #options: UploadSessionsOptions;
  readonly #sessions = new Map<string, UploadSession>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: UploadSessionsOptions) {
    this.#options = options;
  }

  /** Uploads that are under way. */
  get count(): number {
    return this.#sessions.size;
  }

  /** @throws LayerswarmError `store-unwritable` */
  async start(): Promise<void> {
    const { folder } = this.#options;
    try {
      await makeFolders(folder, 0o700);
      for (const name of await readdir(folder)) {
        if (SESSION_ID.test(name)) await rm(join(folder, name), { force: true });
      }
    } catch (error) {
      throw new LayerswarmError('store-unwritable', `cannot use the folder for uploads ${folder}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }

  /** @throws OciError 429 when too many are open */
  async create(repository: string): Promise<UploadSession> {
    const { folder, now, makeRoom, maxSessions = MAX_SESSIONS } = this.#options;
    if (this.#sessions.size >= maxSessions) await this.sweep();
    if (this.#sessions.size >= maxSessions)
      throw new OciError(
        429,
        'TOOMANYREQUESTS',
        `${maxSessions} uploads are open, which is as many as this node takes; try again when some have ended`,
      );
    const id = randomUUID();
    const session = new UploadSession({ id, repository, path: join(folder, id), now, makeRoom, onClose: () => this.#sessions.delete(id) });
    this.#sessions.set(id, session);
    return session;
  }

  /** @throws OciError `BLOB_UPLOAD_UNKNOWN` */
  get(id: string, repository: string): UploadSession {
    const session = this.#sessions.get(id);
    if (session === undefined || session.repository !== repository) {
      throw new OciError(404, 'BLOB_UPLOAD_UNKNOWN', 'this upload is not known; it has ended or expired. Start it again');
    }
    return session;
  }

  /** Forgets uploads that have been idle for too long. */
  async sweep(): Promise<void> {
    const idle = [...this.#sessions.values()].filter((session) => session.idleMs > MAX_IDLE_MS);
    await Promise.all(idle.map((session) => session.close()));
  }
}
