import { argon2, createHash, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { ByteSource } from '../header/byte-source.ts';
import type { Derivation, KeySlot, LuksVolume } from './luks-header.ts';
import { decryptSectors } from './sector-cipher.ts';

const SECTOR = 512;
const pbkdf2Async = promisify(pbkdf2);
const argon2Async = promisify(argon2);

/** The volume's key, where the passphrase opens one of its slots. */
export async function openKey(volume: ByteSource, luks: LuksVolume, passphrase: Buffer): Promise<Buffer | undefined> {
  for (const slot of luks.slots) {
    const key = await keyIn(volume, slot, passphrase);
    const digest = await derive(luks.digest, key, luks.expected.length);
    if (timingSafeEqual(digest, luks.expected)) return key;
  }
  return undefined;
}

async function keyIn(
  volume: ByteSource,
  { derivation, cipher, slotKeyBytes, keyBytes, stripes, hash, offset }: KeySlot,
  passphrase: Buffer,
): Promise<Buffer> {
  const slotKey = await derive(derivation, passphrase, slotKeyBytes);
  const length = Math.ceil((keyBytes * stripes) / SECTOR) * SECTOR;
  return mergeStripes(decryptSectors(cipher, slotKey, volume.read(offset, length), 0, SECTOR), keyBytes, stripes, hash);
}

async function derive(derivation: Derivation, passphrase: Buffer, bytes: number): Promise<Buffer> {
  const { kind, salt } = derivation;
  if (kind === 'pbkdf2') return await pbkdf2Async(passphrase, salt, derivation.iterations, bytes, derivation.hash);
  return await argon2Async(kind, {
    message: passphrase,
    nonce: salt,
    passes: derivation.passes,
    memory: derivation.memoryKiB,
    parallelism: derivation.lanes,
    tagLength: bytes,
  });
}

/** LUKS On-Disk Format Specification 1.2.3, "AFmerge": the key is the exclusive or of all stripes, mixed after each but the last. */
function mergeStripes(bytes: Buffer, keyBytes: number, stripes: number, hash: string): Buffer {
  let key = Buffer.alloc(keyBytes);
  for (let i = 0; i < stripes; i++) {
    for (let j = 0; j < keyBytes; j++) key[j]! ^= bytes[i * keyBytes + j]!;
    if (i < stripes - 1) key = diffuse(key, hash);
  }
  return key;
}

function diffuse(key: Buffer, hash: string): Buffer<ArrayBuffer> {
  const parts: Buffer[] = [];
  for (let at = 0, i = 0; at < key.length; i++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(i);
    const length = Math.min(createHash(hash).digest().length, key.length - at);
    parts.push(
      createHash(hash)
        .update(number)
        .update(key.subarray(at, at + length))
        .digest()
        .subarray(0, length),
    );
    at += length;
  }
  return Buffer.concat(parts);
}
