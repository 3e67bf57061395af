import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import { makeSecretFile } from './state-file.ts';

/** A key file is these many random bytes, and nothing else. */
const KEY_BYTES = 32;
/** Or, for who can keep text only: this line, and the bytes as 64 hexadecimal digits on a second. */
const HEADER = 'layerswarm-swarm-key-1';
const MAX_FILE_BYTES = 4096;

/**
 * A secret that every member of a swarm holds. It never travels: both sides of a Noise handshake mix `prologue` into it, and
 * who holds another key fails there. `id` names the key on the wire, so that two can be accepted while keys are rotated.
 */
export interface SwarmKey {
  /** 16 hexadecimal digits, derived; says nothing about the key. */
  readonly id: string;
  /** 32 bytes, derived. */
  readonly prologue: Uint8Array;
}

/** @throws `key-invalid`, with a line that says what to do; the content never appears in it */
export async function readSwarmKey(path: string): Promise<{ key: SwarmKey; warning?: string }> {
  const { content, mode, uid, gid } = await readBounded(path);
  if ((mode & 0o022) !== 0) {
    throw new LayerswarmError(
      'key-invalid',
      `the swarm key ${path} can be written by others on this host (mode ${(mode & 0o777).toString(8)}), who could let anybody in: chmod 600 ${path}`,
    );
  }
  const key = parseSwarmKey(content, path);
  // of a user that owns no file, such as one in a pod, root lets the group read it
  const others = uid === 0 && process.getuid?.() !== 0 && gid === process.getgid?.() ? 0o007 : 0o077;
  if ((mode & others) === 0) return { key };
  return {
    key,
    warning: `the swarm key ${path} can be read by others on this host (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}`,
  };
}

/** Makes a new key file, mode 0600. @throws `usage` when the file exists; `store-unwritable` */
export async function makeSwarmKey(path: string): Promise<SwarmKey> {
  let bytes = randomBytes(KEY_BYTES);
  while (isPrintable(bytes)) bytes = randomBytes(KEY_BYTES);
  await makeSecretFile(path, bytes);
  return deriveSwarmKey(bytes);
}

/** `source` names where the content is from, in errors. @throws `key-invalid` */
export function parseSwarmKey(content: Uint8Array, source: string): SwarmKey {
  if (content.length === KEY_BYTES && !isPrintable(content)) return deriveSwarmKey(content);
  const [header, body = '', ...rest] = Buffer.from(content)
    .toString('latin1')
    .split('\n')
    .map((line) => line.trimEnd());
  if (header !== HEADER) {
    throw new LayerswarmError(
      'key-invalid',
      `${source} is not a swarm key: expected ${KEY_BYTES} random bytes, received ${content.length > KEY_BYTES ? 'more' : content.length} (a passphrase is refused); make one with "layerswarm key FILE"`,
    );
  }
  if (!/^[0-9a-fA-F]{64}$/.test(body) || rest.some((line) => line !== '')) {
    throw new LayerswarmError(
      'key-invalid',
      `${source}: expected 64 hexadecimal digits on the second line and nothing after it, received ${body.length} characters; make a key with "layerswarm key FILE"`,
    );
  }
  return deriveSwarmKey(Buffer.from(body, 'hex'));
}

/** `secret`: 32 random bytes. */
export function deriveSwarmKey(secret: Uint8Array): SwarmKey {
  return { id: derive('id', secret).subarray(0, 8).toString('hex'), prologue: derive('noise prologue', secret) };
}

/** A passphrase is, and could be guessed offline; random bytes practically never are. */
function isPrintable(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte <= 0x7e);
}

function derive(purpose: string, secret: Uint8Array): Buffer {
  return createHash('sha256').update(`layerswarm swarm key 1, ${purpose}\0`).update(secret).digest();
}

async function readBounded(path: string): Promise<{ content: Uint8Array; mode: number; uid: number; gid: number }> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(MAX_FILE_BYTES);
    const { bytesRead } = await file.read(buffer, 0, MAX_FILE_BYTES, 0);
    const { mode, uid, gid } = await file.stat();
    return { content: buffer.subarray(0, bytesRead), mode, uid, gid };
  } catch (cause) {
    throw new LayerswarmError(
      'key-invalid',
      `cannot read the swarm key ${path}: ${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}; make one with "layerswarm key FILE"`,
      { cause },
    );
  }
}
