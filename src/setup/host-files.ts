import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../errors.ts';
import { type Backup, authorOf } from './backup.ts';
import { type FileState, hasCode, readState, resolveLinks } from './file-state.ts';
import type { HostFiles } from './runtime.ts';

/** Where the host's `path` is, links followed. @throws `config-invalid` */
export function locate(root: string, path: string): Promise<string> {
  return resolveLinks(join(root, path), root);
}

/** The host's files as if no setup had been: a file that setup wrote and nobody touched since is seen as it was before. */
export class OriginalFiles implements HostFiles {
  readonly #root: string;
  readonly #backup: Backup | undefined;

  constructor(root: string, backup: Backup | undefined) {
    this.#root = root;
    this.#backup = backup;
  }

  async read(path: string): Promise<string | undefined> {
    const state = await this.state(await locate(this.#root, path));
    return state.kind === 'absent' ? undefined : decode(state.content, path);
  }

  /** The same for a located path. */
  async state(located: string): Promise<FileState> {
    const now = await readState(located);
    const file = this.#backup?.files.find((candidate) => candidate.path === located);
    return file !== undefined && authorOf(file, now) === 'setup' ? file.before : now;
  }

  async list(path: string): Promise<string[]> {
    const folder = join(this.#root, path);
    const made = new Set(this.#backup?.files.filter(({ before }) => before.kind === 'absent').map((file) => file.path));
    try {
      return (await readdir(folder)).filter((name) => !made.has(join(folder, name))).sort();
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
      if (hasCode(error, 'EACCES')) throw new LayerswarmError('denied', `may not read ${folder}: run this as root`, { cause: error });
      throw error;
    }
  }
}

function decode(content: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (error) {
    throw new LayerswarmError('config-invalid', `${path}: expected UTF-8 text, received other bytes`, { cause: error });
  }
}
