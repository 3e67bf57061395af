import { createCipheriv, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { sparseFile } from './disk-image.ts';
import { runOk } from './process.ts';
import { tempDir } from './temp-dir.ts';

export interface LuksFile {
  readonly file: string;
  readonly keyFile: string;
  /** The volume's own key. */
  readonly key: Buffer;
  /** Bytes of the header. */
  readonly offset: number;
}

/** A volume that cryptsetup formats, with keys that cost nothing. It needs no device-mapper for that. */
export async function makeLuks(
  cleanup: Cleanup,
  args: readonly string[],
  { dataBytes = 0, passphrase = 'open sesame' }: { dataBytes?: number; passphrase?: string } = {},
): Promise<LuksFile> {
  const dir = tempDir(cleanup, 'luks');
  const [keyFile, volumeKey] = [join(dir, 'passphrase'), join(dir, 'key')];
  const offset = 16 * 1024 * 1024;
  const key = randomBytes(args.includes('aes-cbc-essiv:sha256') ? 32 : 64);
  writeFileSync(keyFile, passphrase);
  writeFileSync(volumeKey, key);
  const file = sparseFile(join(dir, 'luks'), offset + Math.max(dataBytes, 4096));
  await runOk('cryptsetup', [
    'luksFormat',
    '--batch-mode',
    '--volume-key-file',
    volumeKey,
    '--key-size',
    String(key.length * 8),
    '--offset',
    String(offset / 512),
    ...args,
    file,
    keyFile,
  ]);
  return { file, keyFile, key, offset };
}

/** Encrypts a file into a volume of aes-xts-plain64. */
export function fillLuks({ file, key, offset }: LuksFile, content: string, sectorBytes: number): void {
  const bytes = readFileSync(content);
  const fd = openSync(file, 'r+');
  for (let at = 0; at < bytes.length; at += sectorBytes) {
    const tweak = Buffer.alloc(16);
    tweak.writeBigUInt64LE(BigInt(at / 512));
    writeSync(fd, createCipheriv('aes-256-xts', key, tweak).update(bytes.subarray(at, at + sectorBytes)), 0, sectorBytes, offset + at);
  }
  closeSync(fd);
}
