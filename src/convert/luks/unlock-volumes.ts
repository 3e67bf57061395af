import { readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LayerswarmError } from '../../errors.ts';
import { probeVolume } from '../filesystem/probe.ts';
import { FileSource, WindowSource, type ByteSource } from '../header/byte-source.ts';
import { findVolumes } from '../map/find-volumes.ts';
import { copyVolumes } from '../map/map-by-copy.ts';
import type { MappedDisk, Volume } from '../map/volume.ts';
import { formatBytes } from '../../quantity.ts';
import type { Surroundings } from '../program/run-program.ts';
import { SparseFile } from '../source/sparse-file.ts';
import { readLuksHeader, type LuksVolume } from './luks-header.ts';
import { openKey } from './open-key.ts';
import { decryptSectors } from './sector-cipher.ts';

const CHUNK_BYTES = 1024 * 1024;
const MAX_KEY_FILE_BYTES = 8 * 1024 * 1024;

export interface UnlockOptions {
  readonly where: Surroundings;
  /** Files with passphrases: each is tried on each volume. */
  readonly keyFiles: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/**
 * Decrypts what LUKS holds into the scratch folder, where one of the keys opens it, and finds the volumes in it. What none opens stays as
 * it is.
 */
export async function unlockVolumes(disk: MappedDisk, { where, keyFiles, signal }: UnlockOptions): Promise<MappedDisk> {
  if (keyFiles.length === 0) return disk;
  const passphrases = keyFiles.flatMap(readKeyFile);
  const volumes: Volume[] = [];
  const unreadable = [...disk.unreadable];
  const warnings = [...disk.warnings];
  for (const volume of disk.volumes) {
    using file = new FileSource(`${where.prefix}${volume.file}`, volume.offset + volume.size);
    const source = new WindowSource(file, volume.offset, volume.size);
    const probe = probeVolume(source);
    if (probe.found !== 'other' || !probe.what.startsWith('LUKS')) {
      volumes.push(volume);
      continue;
    }
    const opened = await openVolume(source, passphrases);
    if (typeof opened === 'string') {
      unreadable.push(`${volume.name}: ${opened}`);
      continue;
    }
    const path = join(where.scratch, `unlocked${volumes.length}`);
    await decryptTo(path, source, opened, { where, signal });
    using unlocked = new FileSource(path);
    const plan = findVolumes([{ source: unlocked, sectorSize: undefined }]);
    unreadable.push(...plan.unreadable);
    warnings.push(...plan.warnings);
    const inside = await copyVolumes(plan, [{ name: `unlocked${volumes.length}`, file: path }], where, signal);
    volumes.push(...inside.map((found) => (found.name === 'disk' ? { ...found, name: volume.name, luks: opened.luks.uuid } : found)));
  }
  return { ...disk, volumes, unreadable, warnings };
}

/** As cryptsetup takes it, byte for byte; and without the newline that an editor leaves at the end. */
function readKeyFile(file: string): Buffer[] {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new LayerswarmError('not-found', `there is no key file ${JSON.stringify(file)}`);
  if (!stat.isFile() || stat.size > MAX_KEY_FILE_BYTES)
    throw new LayerswarmError('usage', `${JSON.stringify(file)} is no file with a passphrase`);
  const bytes = readFileSync(file);
  return bytes.at(-1) === 0x0a ? [bytes, bytes.subarray(0, -1)] : [bytes];
}

interface Opened {
  readonly luks: LuksVolume;
  readonly key: Buffer;
}

/** Why it cannot be opened, where it cannot. */
async function openVolume(source: ByteSource, passphrases: readonly Buffer[]): Promise<Opened | string> {
  try {
    const luks = readLuksHeader(source);
    for (const passphrase of passphrases) {
      const key = await openKey(source, luks, passphrase);
      if (key !== undefined) return { luks, key };
    }
    return 'LUKS encryption, which no --key-file opens';
  } catch (error) {
    if (!(error instanceof LayerswarmError)) throw error;
    return `${error.message}: unlock it on a host that you trust (cryptsetup open --readonly), and convert the device /dev/mapper/NAME`;
  }
}

async function decryptTo(
  path: string,
  source: ByteSource,
  { luks: { offset, size, cipher, sectorBytes, firstSector }, key }: Opened,
  { where: { scratch }, signal }: Pick<UnlockOptions, 'where' | 'signal'>,
): Promise<void> {
  const total = Math.floor(Math.min(size ?? Infinity, source.size - offset) / sectorBytes) * sectorBytes;
  if (!(total > 0))
    throw new LayerswarmError('size-mismatch', 'the disk is cut short: of a LUKS volume only the header is there; copy it again');
  const { bavail, bsize } = await statfs(scratch);
  if (total > bavail * bsize)
    throw new LayerswarmError(
      'disk-full',
      `decrypted, the volume has up to ${formatBytes(total)}, and ${scratch} has room for ${formatBytes(bavail * bsize)}: use another folder with --scratch`,
    );
  using file = new SparseFile(path, total);
  for (let done = 0; done < total; done += CHUNK_BYTES) {
    signal?.throwIfAborted();
    const bytes = source.read(offset + done, Math.min(CHUNK_BYTES, total - done));
    file.write(decryptSectors(cipher, key, bytes, firstSector + done / 512, sectorBytes));
    await nextTurn();
  }
}
