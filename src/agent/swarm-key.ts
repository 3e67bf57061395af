import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { LayerswarmError } from '../errors.ts';

export const SWARM_KEY_BYTES = 32;

/** What can be said of a key in public: the start of its hash. */
export function keyId(key: Uint8Array): string {
  return createHash('sha256').update('layerswarm key id').update(key).digest('hex').slice(0, 8);
}

/** Makes `file`, mode 0600. @throws `usage` when it is there already, `store-unwritable` when it cannot be made */
export async function createSwarmKey(file: string): Promise<{ keyId: string }> {
  const key = randomBytes(SWARM_KEY_BYTES);
  try {
    await using handle = await open(file, 'wx', 0o600);
    await handle.writeFile(key);
    await handle.sync();
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') throw new LayerswarmError('usage', `${file} is there already and is not overwritten: name another file, or remove it first`, { cause: error });
    throw new LayerswarmError('store-unwritable', `cannot make the key file ${file}: ${code}; name a file in a directory that you may write`, { cause: error });
  }
  return { keyId: keyId(key) };
}

export interface SwarmKey {
  readonly key: Uint8Array;
  /** Everybody on this host can read the file. */
  readonly exposed: boolean;
}

/** Reads a swarm key. @throws `key-invalid` unless it is 32 random bytes */
export async function readSwarmKey(file: string): Promise<SwarmKey> {
  let key: Buffer;
  let mode: number;
  try {
    await using handle = await open(file, 'r');
    mode = (await handle.stat()).mode;
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(SWARM_KEY_BYTES + 1), 0, SWARM_KEY_BYTES + 1, 0);
    key = buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new LayerswarmError('key-invalid', `cannot read the swarm key ${file}: ${systemCode(error)}; make one with "layerswarm key ${file}"`, { cause: error });
  }
  if (key.length !== SWARM_KEY_BYTES) {
    throw new LayerswarmError('key-invalid', `${file} is not a swarm key: expected ${SWARM_KEY_BYTES} bytes, received ${key.length > SWARM_KEY_BYTES ? 'more' : key.length}; make one with "layerswarm key FILE"`);
  }
  // 32 random bytes are never all printable: this is somebody's passphrase, which could be guessed offline.
  if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) {
    throw new LayerswarmError('key-invalid', `${file} is not a swarm key: expected random bytes, received text; make one with "layerswarm key FILE"`);
  }
  return { key, exposed: (mode & 0o004) !== 0 };
}

function systemCode(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
