import { execFile } from 'node:child_process';
import { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import type { Credentials } from './credentials.ts';

/** Milliseconds. Helpers of clouds make a request of their own. */
const HELPER_TIMEOUT = 10_000;
const MAX_OUTPUT = 64 * 1024;
const answer = z.object({ Username: z.string(), Secret: z.string() });

/**
 * Asks `docker-credential-<name> get` for the login of `server` (docker-credential-helpers protocol: the server on stdin, JSON on
 * stdout). Anonymous when the helper knows none.
 * @throws LayerswarmError `config-invalid` when it cannot be run or answers something else, `timeout`
 */
export async function askCredentialHelper(name: string, server: string, timeout = HELPER_TIMEOUT): Promise<Credentials> {
  // the name comes out of a file and becomes a program's
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw new LayerswarmError('config-invalid', `"${name.slice(0, 64)}" cannot be the name of a credential helper`);
  const program = `docker-credential-${name}`;
  const { promise, resolve, reject } = Promise.withResolvers<Credentials>();
  const child = execFile(program, ['get'], { timeout, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT, encoding: 'utf8' }, (error, stdout) => {
    if (error === null) {
      resolveWith(stdout, program, resolve, reject);
    } else if (error.killed === true) {
      reject(new LayerswarmError('timeout', `${program} did not answer within ${timeout / 1000} s`));
    } else if (typeof error.code === 'number') {
      // helpers exit with 1 and this text when they have no login for the server
      if (/credentials not found/i.test(stdout)) resolve({ kind: 'anonymous' });
      else
        reject(
          new LayerswarmError(
            'config-invalid',
            `${program} failed with exit code ${error.code}; run "echo ${server} | ${program} get" to see why`,
          ),
        );
    } else {
      reject(
        new LayerswarmError(
          'config-invalid',
          `cannot run ${program} (${String(error.code)}); install it or take it out of the credentials file`,
          { cause: error },
        ),
      );
    }
  });
  // a helper that ends without reading is judged by its exit code
  child.stdin?.on('error', () => undefined).end(server);
  return promise;
}

function resolveWith(stdout: string, program: string, resolve: (value: Credentials) => void, reject: (error: Error) => void): void {
  const parsed = answer.safeParse(parseJson(stdout));
  if (!parsed.success) {
    reject(new LayerswarmError('config-invalid', `${program} answered something other than {"Username", "Secret"}`));
    return;
  }
  const { Username: username, Secret: secret } = parsed.data;
  // "<token>" marks an identity token: docker-credential-helpers, "IdentityToken"
  resolve(username === '<token>' ? { kind: 'refresh-token', username, token: secret } : { kind: 'basic', username, password: secret });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema says what was expected
  }
}
