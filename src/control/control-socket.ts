import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdtemp, rename, rm, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { LayerswarmError } from '../errors.ts';
import { makeFolders } from '../folders.ts';

const GETENT_TIMEOUT_MS = 5000;

/**
 * Makes `server` listen on a Unix socket that only its owner may use (0600), or a group too (0660). A socket that is there is a dead
 * agent's: the caller holds the lock of the data directory that the path belongs to.
 * @throws `config-invalid`, `port-taken`
 */
export async function listenOnSocket(server: Server, path: string, group: string | undefined): Promise<void> {
  const gid = group === undefined ? undefined : await groupId(group);
  try {
    await makeFolders(dirname(path), 0o755);
    await removeSocket(path);
    await bind(server, path, gid);
  } catch (error) {
    if (error instanceof LayerswarmError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    throw new LayerswarmError(
      code === 'EADDRINUSE' ? 'port-taken' : 'config-invalid',
      `socket.path: expected a place for the control socket, received ${path}: ${code}`,
      { cause: error },
    );
  }
}

/** @throws `config-invalid` when something else is there */
export async function removeSocket(path: string): Promise<void> {
  try {
    const found = await lstat(path);
    if (!found.isSocket())
      throw new LayerswarmError(
        'config-invalid',
        `socket.path: expected a place for the control socket, received ${path}, which is another file`,
      );
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Binds in a folder that nobody else may enter and moves the socket out of it: nobody ever meets it with wider permissions. */
async function bind(server: Server, path: string, gid: number | undefined): Promise<void> {
  const folder = await mkdtemp(`${dirname(path)}/.`);
  const hidden = join(folder, 's');
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ path: hidden }, () => resolve());
    await promise;
    server.off('error', reject);
    if (gid !== undefined) await chown(hidden, -1, gid);
    await chmod(hidden, gid === undefined ? 0o600 : 0o660);
    await rename(hidden, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function groupId(group: string): Promise<number> {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  try {
    const { stdout } = await promisify(execFile)('getent', ['group', '--', group], { timeout: GETENT_TIMEOUT_MS });
    const id = Number(stdout.split(':')[2]);
    if (Number.isSafeInteger(id)) return id;
  } catch (error) {
    throw unknownGroup(group, error);
  }
  throw unknownGroup(group, undefined);
}

function unknownGroup(group: string, cause: unknown): LayerswarmError {
  return new LayerswarmError('config-invalid', `socket.group: expected a group of this host, received "${group}"`, { cause });
}
