import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { LayerswarmError } from '../../errors.ts';

/** How sectors are encrypted, each by itself. */
export interface SectorCipher {
  readonly mode: 'xts' | 'cbc';
  readonly iv: 'plain' | 'plain64' | 'essiv';
}

/** dm-crypt's names, such as `aes-xts-plain64`. Kernel's Documentation/admin-guide/device-mapper/dm-crypt.rst */
export function parseCipher(name: string): SectorCipher {
  const [, mode, iv] = /^aes-(xts|cbc)-(plain64|plain|essiv:sha256)$/.exec(name) ?? [];
  if (mode === undefined || iv === undefined)
    throw new LayerswarmError('unsupported', `LUKS with the cipher ${JSON.stringify(name.slice(0, 64))}, which is not known here`);
  return { mode: mode as SectorCipher['mode'], iv: iv.startsWith('essiv') ? 'essiv' : (iv as 'plain' | 'plain64') };
}

const BLOCK = 16;

/**
 * Decrypts whole sectors. Both modes come to one run of AES over all blocks at once: a cipher for each sector would cost a hundred times what it does.
 * @param first number of the first sector, in units of 512 bytes
 */
export function decryptSectors(cipher: SectorCipher, key: Buffer, bytes: Buffer, first: number, sectorBytes: number): Buffer {
  const isXts = cipher.mode === 'xts';
  if (isXts ? key.length !== 32 && key.length !== 64 : ![16, 24, 32].includes(key.length))
    throw new LayerswarmError('unsupported', `LUKS with a key of ${key.length} bytes`);
  const [dataKey, tweakKey] = isXts
    ? [key.subarray(0, key.length / 2), key.subarray(key.length / 2)]
    : [key, createHash('sha256').update(key).digest()];
  const vectors = sectorNumbers(cipher, bytes.length / sectorBytes, first, sectorBytes);
  const starts = isXts || cipher.iv === 'essiv' ? ecb(createCipheriv, tweakKey, vectors) : vectors;
  if (!isXts) return xor(ecb(createDecipheriv, dataKey, bytes), previousBlocks(starts, bytes, sectorBytes));
  const tweaks = tweaksOf(starts, bytes.length, sectorBytes);
  return xor(ecb(createDecipheriv, dataKey, xor(bytes, tweaks)), tweaks);
}

function ecb(create: typeof createCipheriv | typeof createDecipheriv, key: Buffer, bytes: Buffer): Buffer {
  return create(`aes-${key.length * 8}-ecb`, key, null)
    .setAutoPadding(false)
    .update(bytes);
}

/** A block for each sector with its number. */
function sectorNumbers({ iv }: SectorCipher, count: number, first: number, sectorBytes: number): Buffer {
  const vectors = Buffer.alloc(count * BLOCK);
  for (let i = 0; i < count; i++) {
    const sector = first + (i * sectorBytes) / 512;
    vectors.writeUInt32LE(sector % 2 ** 32, i * BLOCK);
    if (iv !== 'plain') vectors.writeUInt32LE(Math.floor(sector / 2 ** 32), i * BLOCK + 4);
  }
  return vectors;
}

/** CBC: what each block is mixed with. */
function previousBlocks(starts: Buffer, bytes: Buffer, sectorBytes: number): Buffer {
  const previous = Buffer.allocUnsafe(bytes.length);
  bytes.copy(previous, BLOCK, 0, bytes.length - BLOCK);
  for (let at = 0, i = 0; at < bytes.length; at += sectorBytes, i += BLOCK) starts.copy(previous, at, i, i + BLOCK);
  return previous;
}

/** XTS: what each block is mixed with; from one to the next, times x in GF(2^128). IEEE 1619 */
function tweaksOf(starts: Buffer, length: number, sectorBytes: number): Buffer {
  const tweaks = Buffer.allocUnsafe(length);
  const view = viewOf(tweaks);
  const start = viewOf(starts);
  for (let at = 0, i = 0; at < length; at += sectorBytes, i += BLOCK) {
    let [a, b, c, d] = [
      start.getUint32(i, true),
      start.getUint32(i + 4, true),
      start.getUint32(i + 8, true),
      start.getUint32(i + 12, true),
    ];
    for (let block = at; block < at + sectorBytes; block += BLOCK) {
      view.setUint32(block, a, true);
      view.setUint32(block + 4, b, true);
      view.setUint32(block + 8, c, true);
      view.setUint32(block + 12, d, true);
      const carry = d >>> 31;
      d = (d << 1) | (c >>> 31);
      c = (c << 1) | (b >>> 31);
      b = (b << 1) | (a >>> 31);
      a = (a << 1) ^ (carry * 0x87);
    }
  }
  return tweaks;
}

function xor(left: Buffer, right: Buffer): Buffer {
  const result = Buffer.allocUnsafe(left.length);
  const [a, b, c] = [viewOf(left), viewOf(right), viewOf(result)];
  for (let at = 0; at < result.length; at += 4) c.setUint32(at, a.getUint32(at, true) ^ b.getUint32(at, true), true);
  return result;
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
