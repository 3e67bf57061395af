import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import { u64be, u64le } from '../header/disk-header.ts';
import { foreignVolume, type Remedy } from './foreign-volumes.ts';

/** What can be read, each with what fstab may call it by. */
export interface FileSystem {
  readonly kind: 'ext' | 'xfs' | 'btrfs' | 'squashfs' | 'erofs';
  /** As fstab writes it; empty where it has none. */
  readonly uuid: string;
  readonly label: string;
  /** Bytes that the file system says it has; more than its volume means that the disk was cut short. */
  readonly size: number;
  /** Whether a journal or log has to be replayed before its newest data can be read. */
  readonly dirty: boolean;
  /** btrfs: over how many devices it is spread, where there are several. */
  readonly devices?: number;
}

export type Probe =
  | { readonly found: 'filesystem'; readonly filesystem: FileSystem }
  | { readonly found: 'lvm' }
  /** Recognized, and not readable; `what` names it to a person. */
  | { readonly found: 'other'; readonly what: string; readonly swap: boolean; readonly remedy: Remedy }
  | { readonly found: 'nothing' };

const SUPERBLOCK_BYTES = 4096;

/** Says what a volume holds, from its superblocks alone. */
export function probeVolume(volume: ByteSource): Probe {
  if (isLvm(volume)) return { found: 'lvm' };
  const filesystem = probeExt(volume) ?? probeXfs(volume) ?? probeBtrfs(volume) ?? probeSquashfs(volume) ?? probeErofs(volume);
  const other = foreignVolume(volume);
  // An encrypted or NTFS volume may hold an old superblock where its new owner never wrote.
  if (other !== undefined && (filesystem === undefined || (other.offset >= 0 && other.offset < 500)))
    return { found: 'other', what: other.what, swap: other.swap === true, remedy: other.remedy };
  return filesystem === undefined ? { found: 'nothing' } : { found: 'filesystem', filesystem };
}

function isLvm(volume: ByteSource): boolean {
  return [0, 1, 2, 3].some((sector) => {
    const label = readIfThere(volume, sector * 512, 32);
    return label !== undefined && label.toString('latin1', 0, 8) === 'LABELONE' && label.toString('latin1', 24, 32) === 'LVM2 001';
  });
}

/** fs/ext4/ext4.h, struct ext4_super_block. */
function probeExt(volume: ByteSource): FileSystem | undefined {
  const block = readIfThere(volume, 1024, 1024);
  if (block === undefined || block.readUInt16LE(0x38) !== 0xef53) return undefined;
  const logBlockSize = block.readUInt32LE(0x18);
  if (logBlockSize > 6) return undefined;
  const incompatible = block.readUInt32LE(0x60);
  const high = (incompatible & 0x80) === 0 ? 0 : block.readUInt32LE(0x150);
  return {
    kind: 'ext',
    uuid: formatUuid(block, 0x68),
    label: cString(block, 0x78, 16),
    size: (high * 2 ** 32 + block.readUInt32LE(4)) * 1024 * 2 ** logBlockSize,
    dirty: (incompatible & 0x4) !== 0,
  };
}

/** fs/xfs/libxfs/xfs_format.h, struct xfs_dsb. Its log is replayed on every mount. */
function probeXfs(volume: ByteSource): FileSystem | undefined {
  const block = readIfThere(volume, 0, 512);
  if (block === undefined || block.toString('latin1', 0, 4) !== 'XFSB') return undefined;
  return {
    kind: 'xfs',
    uuid: formatUuid(block, 32),
    label: cString(block, 108, 12),
    size: u64be(block, 8) * block.readUInt32BE(4),
    dirty: true,
  };
}

/** fs/btrfs: struct btrfs_super_block. */
function probeBtrfs(volume: ByteSource): FileSystem | undefined {
  const block = readIfThere(volume, 65536, SUPERBLOCK_BYTES);
  if (block === undefined || block.toString('latin1', 0x40, 0x48) !== '_BHRfS_M') return undefined;
  const devices = u64le(block, 0x88);
  return {
    kind: 'btrfs',
    uuid: formatUuid(block, 0x20),
    label: cString(block, 0x12b, 256),
    size: u64le(block, 0x70),
    dirty: u64le(block, 0x60) !== 0,
    ...(devices > 1 && { devices }),
  };
}

/** Version 4; kernel's fs/squashfs/squashfs_fs.h, struct squashfs_super_block. */
function probeSquashfs(volume: ByteSource): FileSystem | undefined {
  const block = readIfThere(volume, 0, 96);
  if (block === undefined || block.toString('latin1', 0, 4) !== 'hsqs' || block.readUInt16LE(28) !== 4) return undefined;
  return { kind: 'squashfs', uuid: '', label: '', size: u64le(block, 40), dirty: false };
}

/** Kernel's fs/erofs/erofs_fs.h, struct erofs_super_block. */
function probeErofs(volume: ByteSource): FileSystem | undefined {
  const block = readIfThere(volume, 1024, 128);
  if (block === undefined || block.readUInt32LE(0) !== 0xe0f5_e1e2 || block[12]! < 9 || block[12]! > 16) return undefined;
  return {
    kind: 'erofs',
    uuid: formatUuid(block, 48),
    label: cString(block, 64, 16),
    size: block.readUInt32LE(36) * 2 ** block[12]!,
    dirty: false,
  };
}

function formatUuid(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function cString(bytes: Buffer, at: number, length: number): string {
  return bytes.toString('utf8', at, at + length).split('\0', 1)[0]!;
}
