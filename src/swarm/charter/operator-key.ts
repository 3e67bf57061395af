import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import { makeSecretFile } from '../network/state-file.ts';

/** A file of an operator's key: this line with the swarm's name, and the seed of an Ed25519 key (RFC 8032) in base64url. */
const HEADER = 'layerswarm-operator-key-1';
const SWARM_NAME = /^[A-Za-z0-9._-]{1,64}$/;
const PUBLIC_KEY = /^([A-Za-z0-9._-]{1,64}):([A-Za-z0-9_-]{43})$/;
/** PKCS #8 of an Ed25519 key, up to its 32 bytes: RFC 8410. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Which swarm an operator speaks for, and how that is checked: `NAME:KEY`, which every node is given. */
export class CharterKey {
  readonly text: string;
  readonly swarm: string;
  readonly #key: KeyObject;

  private constructor(text: string, swarm: string, key: KeyObject) {
    this.text = text;
    this.swarm = swarm;
    this.#key = key;
  }

  /** @throws `key-invalid` */
  static parse(text: string): CharterKey {
    const [, swarm, x] = PUBLIC_KEY.exec(text) ?? [];
    if (swarm === undefined || x === undefined)
      throw new LayerswarmError(
        'key-invalid',
        `expected an operator's public key such as "layerswarm charter keygen" prints (NAME:KEY), received ${JSON.stringify(text.slice(0, 80))}`,
      );
    return new CharterKey(text, swarm, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }));
  }

  isBy(bytes: Uint8Array, signature: Uint8Array): boolean {
    return signature.length === 64 && verify(null, bytes, this.#key, signature);
  }
}

/** What signs charters; it stays off the nodes. */
export class OperatorKey {
  readonly public: CharterKey;
  readonly #key: KeyObject;

  private constructor(swarm: string, key: KeyObject) {
    this.#key = key;
    this.public = CharterKey.parse(`${swarm}:${createPublicKey(key).export({ format: 'jwk' }).x}`);
  }

  /** Makes a new key file, mode 0600. @throws `usage` when the file exists or the name is none; `store-unwritable` */
  static async make(path: string, swarm: string): Promise<OperatorKey> {
    if (!SWARM_NAME.test(swarm))
      throw new LayerswarmError(
        'usage',
        `expected a name of at most 64 letters, digits, ".", "_" or "-" for the swarm, received ${JSON.stringify(swarm.slice(0, 80))}`,
      );
    const { privateKey } = generateKeyPairSync('ed25519');
    await makeSecretFile(path, `${HEADER} ${swarm}\n${privateKey.export({ format: 'jwk' }).d}\n`);
    return new OperatorKey(swarm, privateKey);
  }

  /** @throws `key-invalid`; the content never appears in the message */
  static async read(path: string): Promise<OperatorKey> {
    const [first = '', seed = ''] = (await textOf(path)).split('\n');
    const [header, swarm = ''] = first.split(' ');
    const bytes = Buffer.from(seed, 'base64url');
    if (header !== HEADER || !SWARM_NAME.test(swarm) || bytes.length !== 32)
      throw new LayerswarmError('key-invalid', `${path} is no operator's key: make one with "layerswarm charter keygen FILE"`);
    return new OperatorKey(swarm, createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' }));
  }

  sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#key);
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new LayerswarmError(
      'key-invalid',
      `cannot read the operator's key ${path}: ${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}; make one with "layerswarm charter keygen FILE"`,
      { cause },
    );
  }
}
