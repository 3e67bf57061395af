import { LayerswarmError } from '../../errors.ts';
import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import { u64le } from '../header/disk-header.ts';

/** What a physical volume carries: its own id, and its volume group's metadata as text. */
export interface PhysicalVolume {
  /** 32 characters, without the dashes that the metadata writes. */
  readonly id: string;
  /** Undefined where it has no metadata area of its own. */
  readonly metadata: string | undefined;
}

const SECTOR = 512;
const LABEL_SECTORS = 4;
const MDA_HEADER_BYTES = 512;
const MDA_MAGIC = ' LVM2 x[5A%r0N*>';
/** More than any volume group that fits one disk. */
const MAX_METADATA_BYTES = 4 * 1024 * 1024;

/** lvm2's lib/format_text/layout.h: label, PV header, and the newest text in the first metadata area. */
export function readPhysicalVolume(volume: ByteSource): PhysicalVolume {
  for (let i = 0; i < LABEL_SECTORS; i++) {
    const sector = readIfThere(volume, i * SECTOR, SECTOR);
    if (sector === undefined || sector.toString('latin1', 0, 8) !== 'LABELONE') continue;
    const header = sector.readUInt32LE(20);
    if (header > SECTOR - 40) throw damaged('its label');
    const id = sector.toString('latin1', header, header + 32);
    // Two lists of places end with a zero entry each: data areas, then metadata areas.
    const at = skipList(sector, header + 40);
    if (at + 16 > SECTOR) throw damaged('its label');
    const offset = u64le(sector, at);
    return { id, metadata: offset === 0 ? undefined : readMetadata(volume, offset, u64le(sector, at + 8)) };
  }
  throw damaged('its label');
}

function skipList(sector: Buffer, start: number): number {
  let at = start;
  while (at + 16 <= SECTOR && u64le(sector, at) !== 0) at += 16;
  return at + 16;
}

function readMetadata(volume: ByteSource, areaOffset: number, areaSize: number): string | undefined {
  const header = volume.read(areaOffset, MDA_HEADER_BYTES);
  if (header.toString('latin1', 4, 20) !== MDA_MAGIC) throw damaged('its metadata area');
  const offset = u64le(header, 40);
  const size = u64le(header, 48);
  if (offset === 0 || size === 0) return undefined;
  if (size > MAX_METADATA_BYTES || size > areaSize || offset >= areaSize) throw damaged('its metadata area');
  // A ring: text that reaches the area's end goes on behind the header.
  const first = Math.min(size, areaSize - offset);
  const text = Buffer.concat([volume.read(areaOffset + offset, first), volume.read(areaOffset + MDA_HEADER_BYTES, size - first)]);
  return text.toString('utf8').split('\0', 1)[0]!;
}

function damaged(what: string): LayerswarmError {
  return new LayerswarmError('unsupported', `an LVM physical volume on the disk is damaged: ${what} cannot be read`);
}
