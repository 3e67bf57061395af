import { readFile, stat } from 'node:fs/promises';
import { LayerswarmError } from '../errors.ts';

export type Credentials =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** Docker's identitytoken: an OAuth 2 refresh token. */
  | { readonly kind: 'refresh-token'; readonly username: string; readonly token: string }
  /** Docker's registrytoken: sent as it is, in place of one from the token service. */
  | { readonly kind: 'bearer'; readonly token: string };

/** Where logins come from. Asked again and again: what changes on disk takes effect without a restart. */
export interface CredentialsProvider {
  /** For messages: what to look at when the login is refused; never a secret. */
  readonly source: string;
  /**
   * @param request.repository some providers know a login a repository
   * @param request.fresh the last answer was refused: anything remembered is asked for again
   * @throws LayerswarmError `config-invalid`, `timeout`
   */
  get(request: CredentialsRequest): Promise<Credentials>;
}

export interface CredentialsRequest {
  readonly repository?: string | undefined;
  readonly fresh?: boolean;
}

export const anonymous: CredentialsProvider = { source: 'none configured', get: async () => ({ kind: 'anonymous' }) };

export function staticCredentials(username: string, password: string): CredentialsProvider {
  return { source: `the configured login of ${username}`, get: async () => ({ kind: 'basic', username, password }) };
}

/** The password is what the file holds, without the line break at its end. */
export function passwordFileCredentials(username: string, path: string): CredentialsProvider {
  const file = new WatchedFile(path, (text) => text.replace(/\r?\n$/, ''));
  return {
    source: `${username} with the password in ${path}`,
    async get() {
      const password = await file.read();
      if (password === undefined || password === '')
        throw new LayerswarmError('config-invalid', `the password file ${path} is missing or empty`);
      return { kind: 'basic', username, password };
    },
  };
}

const MAX_FILE = 1024 * 1024;

/** A small file, parsed again only when it changed. */
export class WatchedFile<T> {
  readonly path: string;
  readonly #parse: (text: string) => T;
  #last: { readonly version: string; readonly value: T } | undefined;

  constructor(path: string, parse: (text: string) => T) {
    this.path = path;
    this.#parse = parse;
  }

  /** Undefined when there is no such file. @throws LayerswarmError `config-invalid` when it cannot be read; what `parse` throws */
  async read(): Promise<T | undefined> {
    try {
      const { mtimeNs, ctimeNs, ino, size } = await stat(this.path, { bigint: true });
      if (size > MAX_FILE) throw new LayerswarmError('config-invalid', `${this.path} is larger than ${MAX_FILE} bytes`);
      const version = [mtimeNs, ctimeNs, ino, size].join(' ');
      if (this.#last?.version !== version) this.#last = { version, value: this.#parse(await readFile(this.path, 'utf8')) };
      return this.#last.value;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      if (error instanceof LayerswarmError) throw error;
      throw new LayerswarmError('config-invalid', `cannot read ${this.path}: ${code ?? 'unknown error'}`, { cause: error });
    }
  }
}
