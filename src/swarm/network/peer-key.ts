import { createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { BoundedMap } from '../../bounded-map.ts';
import { LayerswarmError } from '../../errors.ts';
import { makeSecretFile } from './state-file.ts';

/** The bytes before a raw 32-byte key in PKCS #8 and SPKI for Ed25519 (RFC 8410, sections 4 and 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const MAX_KNOWN_KEYS = 1024;

/** The Ed25519 key that a node's peer id is made of. Node's key objects are kept: making one costs more than a signature. */
export class PeerKey {
  readonly privateKey: Ed25519PrivateKey;
  /** base58, as in a multiaddr. */
  readonly peerId: string;
  readonly #signer: KeyObject;

  constructor(privateKey: Ed25519PrivateKey) {
    this.privateKey = privateKey;
    this.peerId = peerIdFromPrivateKey(privateKey).toString();
    this.#signer = privateKeyObject(privateKey.raw.subarray(0, 32));
  }

  static async generate(): Promise<PeerKey> {
    return new PeerKey(await generateKeyPair('Ed25519'));
  }

  /** `seed`: 32 bytes, which decide the key. OpenSSL derives the public key: libp2p would in JavaScript, some 70 ms in each thread that starts. */
  static fromSeed(seed: Uint8Array): PeerKey {
    const publicKey = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
    return new PeerKey(privateKeyFromRaw(Buffer.concat([seed, publicKey])) as Ed25519PrivateKey);
  }

  /**
   * The key in the file, PKCS #8 as PEM; made, with mode 0600, where there is none.
   * @throws `key-invalid`, `store-unwritable`
   */
  static async loadOrMake(path: string): Promise<PeerKey> {
    const text = await readKeyFile(path);
    if (text !== undefined) return PeerKey.#parse(text, path);
    const key = await PeerKey.generate();
    await makeSecretFile(path, key.pem);
    return key;
  }

  static #parse(pem: string, path: string): PeerKey {
    try {
      const key = createPrivateKey(pem);
      const der = key.export({ format: 'der', type: 'pkcs8' });
      if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`a key of type ${key.asymmetricKeyType ?? 'unknown'}`);
      return PeerKey.fromSeed(der.subarray(PKCS8_PREFIX.length));
    } catch (cause) {
      throw new LayerswarmError(
        'key-invalid',
        `${path} is not an Ed25519 private key in PEM; restore it, or remove it and the node gets a new peer id`,
        { cause },
      );
    }
  }

  /** @throws `key-invalid` for anything but what `pem` gives. */
  static fromPem(pem: string): PeerKey {
    return PeerKey.#parse(pem, 'the peer key');
  }

  /** PKCS #8. */
  get pem(): string {
    return this.#signer.export({ format: 'pem', type: 'pkcs8' }).toString();
  }

  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array {
    return signBytes(null, bytes, this.#signer);
  }
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}

async function readKeyFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new LayerswarmError('key-invalid', `cannot read the peer key ${path}: ${code ?? 'unknown error'}`, { cause });
  }
}

const known = new BoundedMap<string, KeyObject>(MAX_KNOWN_KEYS);

/** False also for what is no Ed25519 peer id at all. */
export function verifySignature(peerId: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKey(peerId);
  return key !== undefined && signature.length === 64 && verifyBytes(null, bytes, key, signature);
}

function publicKey(peerId: string): KeyObject | undefined {
  const found = known.get(peerId);
  if (found !== undefined) return found;
  const raw = rawPublicKey(peerId);
  if (raw === undefined) return undefined;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  known.set(peerId, key);
  return key;
}

function rawPublicKey(peerId: string): Uint8Array | undefined {
  try {
    const parsed = peerIdFromString(peerId);
    return parsed.type === 'Ed25519' ? parsed.publicKey.raw : undefined;
  } catch {
    return undefined;
  }
}
