import type { ByteSource } from './byte-source.ts';
import {
  checkTableBytes,
  checkVirtualSize,
  malformed,
  refersToHost,
  truncated,
  u64le,
  type DiskHeader,
  type HeaderLimits,
  type ParseHeader,
} from './disk-header.ts';

/** "KDMV"; VMware's "Virtual Disk Format 5.0" describes it. */
export const VMDK_MAGIC = 0x4b44_4d56;
/** A text descriptor, which names extent files; never read here. */
export const VMDK_DESCRIPTOR_START = '# Disk DescriptorFile';
const SECTOR = 512;
const HEADER_BYTES = 512;
const GRAIN_MARKER_BYTES = 12;
const GD_AT_END = 2 ** 64;
const FLAG = { compressed: 0x1_0000, markers: 0x2_0000 } as const;
const MAX_DESCRIPTOR_SECTORS = 128;
/** "No parent", as VMware writes it. */
const NO_PARENT = 'ffffffff';

/** A VMDK that is a disk by itself. */
export const parseVmdk: ParseHeader = (source, limits) => parse(source, limits, false);

/** A sparse file that is one run of a disk of several. */
export const parseVmdkExtent: ParseHeader = (source, limits) => parse(source, limits, true);

function parse(source: ByteSource, limits: HeaderLimits, isExtent: boolean): DiskHeader {
  const first = source.read(0, Math.min(source.size, HEADER_BYTES));
  if (first.toString('latin1').startsWith(VMDK_DESCRIPTOR_START)) throw refersToHost('vmdk', 'extent files by name (a text descriptor)');
  if (first.length < HEADER_BYTES) throw malformed('vmdk', 'its header is cut short');
  if (first.readUInt32BE(0) !== VMDK_MAGIC) throw malformed('vmdk', 'only sparse and streamOptimized VMDK files can be read');
  const hasDescriptor = checkDescriptor(source, u64le(first, 28), u64le(first, 36));
  if (!isExtent && !hasDescriptor)
    throw malformed(
      'vmdk',
      'it is one extent of a disk that is split into several files; convert the descriptor, the small .vmdk beside them without a number in its name',
    );

  // streamOptimized: the real header is a footer of which the first is a copy without the directory's place.
  const atEnd = u64le(first, 56) >= GD_AT_END;
  const header = atEnd ? readFooter(source) : first;
  const version = header.readUInt32LE(4);
  if (version < 1 || version > 3) throw malformed('vmdk', `version ${version}`);
  const capacity = u64le(header, 12);
  // With capacity 0 qemu takes the embedded descriptor for the disk, and opens the extents that it names.
  if (capacity === 0) throw refersToHost('vmdk', 'extent files by name (capacity 0)');
  const virtualSize = capacity * SECTOR;
  checkVirtualSize('vmdk', virtualSize, limits);

  const grainSectors = u64le(header, 20);
  const entriesPerTable = header.readUInt32LE(44);
  if (grainSectors < 1 || grainSectors > 128 * 1024 || (grainSectors & (grainSectors - 1)) !== 0)
    throw malformed('vmdk', `grains of ${grainSectors} sectors`);
  if (entriesPerTable !== 512) throw malformed('vmdk', `grain tables of ${entriesPerTable} entries`);
  const compressed = (header.readUInt32LE(8) & FLAG.compressed) !== 0;
  if (compressed && header.readUInt16LE(77) !== 1)
    throw malformed('vmdk', `compression ${header.readUInt16LE(77)}, and only deflate (1) is known`);
  walkTables(source, { virtualSize, grainBytes: grainSectors * SECTOR, directory: u64le(header, 56) * SECTOR, compressed });
  return { format: 'vmdk', virtualSize, compressed, needsBacking: false };
}

function readFooter(source: ByteSource): Buffer {
  if (source.size < 3 * SECTOR) throw truncated('vmdk', 3 * SECTOR, source.size);
  const footer = source.read(source.size - 2 * SECTOR, HEADER_BYTES);
  if (footer.readUInt32BE(0) !== VMDK_MAGIC || u64le(footer, 56) >= GD_AT_END)
    throw malformed('vmdk', 'its footer is missing: the file is cut short; copy it again');
  return footer;
}

/** The embedded descriptor may name this one file as its only extent, and no parent. Says whether there is one. */
function checkDescriptor(source: ByteSource, startSector: number, sectors: number): boolean {
  if (startSector === 0) return false;
  if (!(sectors <= MAX_DESCRIPTOR_SECTORS)) throw malformed('vmdk', `a descriptor of ${sectors} sectors`);
  const text = source
    .read(startSector * SECTOR, sectors * SECTOR)
    .toString('latin1')
    .split('\0', 1)[0]!;
  let extents = 0;
  for (const line of text.split(/\r?\n/).map((line) => line.trim())) {
    if (/^(?:RW|RDONLY|NOACCESS)\s/i.test(line)) {
      extents += 1;
      if (!/^RW\s+\d+\s+SPARSE\s+"[^"/]*"\s*$/i.test(line) || extents > 1) throw refersToHost('vmdk', 'other extent files');
    }
    const assignment = /^(\w+)\s*=\s*"?([^"]*)"?$/.exec(line);
    if (assignment === null) continue;
    const [, key, value] = assignment as unknown as [string, string, string];
    if (key.toLowerCase() === 'parentcid' && value.trim().toLowerCase() !== NO_PARENT) throw refersToHost('vmdk', 'a parent disk');
    if (key.toLowerCase() === 'createtype' && !/^(?:monolithicSparse|streamOptimized)$/i.test(value))
      throw malformed('vmdk', `type ${value.slice(0, 40)}, and only monolithicSparse and streamOptimized can be read`);
  }
  // qemu searches the whole text for this word, wherever in a line it is.
  if (text.includes('parentFileNameHint')) throw refersToHost('vmdk', 'a parent disk');
  return text.trim() !== '';
}

interface Tables {
  readonly virtualSize: number;
  readonly grainBytes: number;
  readonly directory: number;
  readonly compressed: boolean;
}

/** qemu reads zeros beyond the end of the file: every grain must lie inside. */
function walkTables(source: ByteSource, { virtualSize, grainBytes, directory, compressed }: Tables): void {
  const tableBytes = 512 * 4;
  const grains = Math.ceil(virtualSize / grainBytes);
  const tables = Math.ceil(grains / 512);
  checkTableBytes('vmdk', tables * 4, source.size);
  const entries = source.read(directory, tables * 4);
  let used = 0;
  for (let i = 0; i < tables; i++) {
    const table = entries.readUInt32LE(i * 4) * SECTOR;
    if (table === 0) continue;
    used += 1;
    checkTableBytes('vmdk', used * tableBytes, source.size);
    if (table + tableBytes > source.size) throw truncated('vmdk', table + tableBytes, source.size);
    const grainTable = source.read(table, tableBytes);
    for (let j = 0; j < 512; j++) {
      const sector = grainTable.readUInt32LE(j * 4);
      // 0: not there; 1: zeros
      if (sector <= 1) continue;
      const start = sector * SECTOR;
      const isLast = i * 512 + j >= grains - 1;
      const end = start + (compressed ? compressedBytes(source, start) : isLast ? 1 : grainBytes);
      if (end > source.size) throw truncated('vmdk', end, source.size);
    }
  }
}

function compressedBytes(source: ByteSource, start: number): number {
  if (start + GRAIN_MARKER_BYTES > source.size) throw truncated('vmdk', start + GRAIN_MARKER_BYTES, source.size);
  return GRAIN_MARKER_BYTES + source.read(start, GRAIN_MARKER_BYTES).readUInt32LE(8);
}
