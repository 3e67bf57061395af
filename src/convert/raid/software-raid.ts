import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import { u64le } from '../header/disk-header.ts';

/** A member of a Linux software RAID: where its array's data is, or why that is not all there. */
export type RaidMember =
  /** `array`: the same for every member; `events`: how often the array was written to, as far as this member knows */
  | {
      readonly offset: number;
      readonly size: number;
      readonly level: 1;
      readonly members: number;
      readonly array: string;
      readonly events: number;
    }
  | {
      readonly unreadable: string;
      /** Whether it may be left from before: a file system that was made later need not have written over it. */
      readonly mayBeStale: boolean;
    };

/** Kernel's include/uapi/linux/raid/md_p.h. */
const MAGIC = 0xa92b_4efc;
const SECTOR = 512;
const SUPERBLOCK_BYTES = 4096;
const RESERVED_BYTES = 64 * 1024;
const FEATURE = { recovering: 2, reshaping: 4 } as const;
/** From here on a role is none: spare, faulty, or a journal. */
const NO_ROLE = 0xfff0;

/**
 * Reads a volume's md superblock, of metadata 0.90 or 1.0 to 1.2. A RAID 1 has all of its data on each member, so that one half can be
 * read by itself; undefined where the volume is no member.
 */
export function readRaidMember(volume: ByteSource): RaidMember | undefined {
  const end = Math.floor(volume.size / SECTOR);
  // 1.2 at 4 KiB, 1.1 at the start, 1.0 8 KiB or a little more before the end.
  for (const sector of [8, 0, Math.floor((end - 16) / 8) * 8]) {
    const block = readIfThere(volume, sector * SECTOR, SUPERBLOCK_BYTES);
    if (block !== undefined && block.readUInt32LE(0) === MAGIC && block.readUInt32LE(4) === 1 && u64le(block, 144) === sector)
      return readVersion1(block, volume.size);
  }
  const old = readIfThere(volume, Math.floor(volume.size / RESERVED_BYTES) * RESERVED_BYTES - RESERVED_BYTES, SUPERBLOCK_BYTES);
  if (old === undefined || old.readUInt32LE(0) !== MAGIC || old.readUInt32LE(4) !== 0) return undefined;
  const array = [20, 52, 56, 60].map((at) => old.toString('hex', at, at + 4)).join('');
  return member(
    { level: old.readInt32LE(28), members: old.readUInt32LE(40), array, events: u64le(old, 156) },
    0,
    old.readUInt32LE(32) * 1024,
    volume.size,
  );
}

function readVersion1(block: Buffer, size: number): RaidMember {
  const features = block.readUInt32LE(8);
  const number = block.readUInt32LE(160);
  if ((features & FEATURE.reshaping) !== 0) return { unreadable: 'a member of a software RAID that was being reshaped', mayBeStale: false };
  const role = 256 + number * 2 + 2 <= SUPERBLOCK_BYTES ? block.readUInt16LE(256 + number * 2) : NO_ROLE;
  if ((features & FEATURE.recovering) !== 0 || role >= NO_ROLE)
    return { unreadable: 'a spare, failed or half-rebuilt member of a software RAID: take the disk of another member', mayBeStale: false };
  return member(
    { level: block.readInt32LE(72), members: block.readUInt32LE(92), array: block.toString('hex', 16, 32), events: u64le(block, 200) },
    u64le(block, 128) * SECTOR,
    u64le(block, 136) * SECTOR,
    size,
  );
}

interface MirrorSet {
  readonly level: number;
  readonly members: number;
  readonly array: string;
  readonly events: number;
}

function member({ level, members, array, events }: MirrorSet, offset: number, bytes: number, size: number): RaidMember {
  // Data from the first byte on: the superblock is at the end.
  if (level !== 1)
    return {
      mayBeStale: offset === 0,
      unreadable: `a member of a software RAID ${level} of ${members} disks, which holds a part of the data: assemble it on a host that you trust (mdadm --assemble --readonly), and convert its device`,
    };
  if (!(bytes > 0 && offset + bytes <= size))
    return { unreadable: 'a member of a software RAID 1 that is cut short or damaged', mayBeStale: offset === 0 };
  return { offset, size: bytes, level: 1, members, array, events };
}
