import { LayerswarmError } from '../../errors.ts';
import { readIfThere, type ByteSource } from './byte-source.ts';
import {
  checkVirtualSize,
  malformed,
  refersToHost,
  type DiskFormat,
  type DiskHeader,
  type HeaderLimits,
  type ParseHeader,
} from './disk-header.ts';
import { foreignFile } from './foreign.ts';
import { PARALLELS_MAGICS, parseParallels } from './parallels.ts';
import { parseQcow1 } from './qcow1.ts';
import { parseQcow2, QCOW2_MAGIC } from './qcow2.ts';
import { parseQed, QED_MAGIC } from './qed.ts';
import { parseVdi, VDI_MAGIC, VDI_MAGIC_OFFSET } from './vdi.ts';
import { parseVhd, readVhdFooter, VHD_COOKIE } from './vhd.ts';
import { parseVhdx, VHDX_SIGNATURE } from './vhdx.ts';
import { parseVmdk, VMDK_DESCRIPTOR_START, VMDK_MAGIC } from './vmdk.ts';

const PARSERS: Readonly<Record<DiskFormat, ParseHeader>> = {
  raw: (source, limits) => {
    if (source.size === 0) throw malformed('raw', 'it is empty');
    checkVirtualSize('raw', source.size, limits);
    return { format: 'raw', virtualSize: source.size, compressed: false, needsBacking: false };
  },
  qcow2: parseQcow2,
  vmdk: parseVmdk,
  vdi: parseVdi,
  vhd: parseVhd,
  vhdx: parseVhdx,
  qcow: parseQcow1,
  qed: parseQed,
  parallels: parseParallels,
};

/**
 * The header of a disk image, read here and nowhere else; qemu is then told the format and never looks for it. Without a
 * `format` the header decides, unless the content could as well be a raw disk that imitates one.
 * @throws LayerswarmError `unsupported`, `denied`, `too-large`, `size-mismatch`, or `usage` where `--format` has to say
 */
export function identifyDisk(source: ByteSource, format: DiskFormat | undefined, limits: HeaderLimits, backingIsNamed = false): DiskHeader {
  const header = PARSERS[format ?? formatOf(source)](source, limits);
  if (header.needsBacking && !backingIsNamed)
    throw refersToHost(header.format, 'a backing file (name each file of the chain with --backing if you trust it)');
  if (!header.needsBacking && backingIsNamed)
    throw new LayerswarmError('usage', `--backing was given, and the ${header.format} file has no backing file`);
  return header;
}

function formatOf(source: ByteSource): DiskFormat {
  const claimed = claimedFormat(source);
  if (claimed === 'raw') {
    const foreign = looksRaw(source) ? undefined : foreignFile(source);
    if (foreign !== undefined) throw new LayerswarmError('unsupported', `the file is ${foreign}`);
    return 'raw';
  }
  // A guest may write such a header into the first sector of its raw disk, to be read as something else.
  if (claimed !== 'vhd' && looksRaw(source)) {
    throw new LayerswarmError(
      'usage',
      `the file begins like ${claimed} and also holds a partition table or file system: say which it is with --format raw or --format ${claimed}`,
    );
  }
  return claimed;
}

function claimedFormat(source: ByteSource): DiskFormat {
  const start = source.read(0, Math.min(source.size, 128));
  if (start.length >= 4) {
    const magic = start.readUInt32BE(0);
    if (magic === QCOW2_MAGIC) return start.length >= 8 && start.readUInt32BE(4) === 1 ? 'qcow' : 'qcow2';
    if (start.toString('latin1', 0, 4) === QED_MAGIC) return 'qed';
    if (magic === VMDK_MAGIC || start.toString('latin1').startsWith(VMDK_DESCRIPTOR_START)) return 'vmdk';
  }
  if (start.toString('latin1', 0, 8) === VHDX_SIGNATURE) return 'vhdx';
  if ((PARALLELS_MAGICS as readonly string[]).includes(start.toString('latin1', 0, 16))) return 'parallels';
  if (start.length >= VDI_MAGIC_OFFSET + 4 && start.readUInt32LE(VDI_MAGIC_OFFSET) === VDI_MAGIC) return 'vdi';
  // A dynamic VHD has a copy of its footer at the start; a fixed one nothing but the footer.
  if (start.toString('latin1', 0, 8) === VHD_COOKIE || readVhdFooter(source) !== undefined) return 'vhd';
  return 'raw';
}

/** A boot sector, a GPT, or an ext, xfs or btrfs superblock where a raw disk has them. */
export function looksRaw(source: ByteSource): boolean {
  const at = (offset: number, ...bytes: number[]): boolean =>
    readIfThere(source, offset, bytes.length)?.equals(Buffer.from(bytes)) ?? false;
  const text = (offset: number, magic: string): boolean => readIfThere(source, offset, magic.length)?.toString('latin1') === magic;
  return at(510, 0x55, 0xaa) || text(512, 'EFI PART') || text(4096, 'EFI PART') || at(1024 + 56, 0x53, 0xef) || text(0x1_0040, '_BHRfS_M');
}
