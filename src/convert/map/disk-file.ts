import { realpathSync, statSync } from 'node:fs';
import { LayerswarmError } from '../../errors.ts';
import { FileSource, WindowSource } from '../header/byte-source.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE, QEMU_DRIVERS, type DiskFormat, type DiskHeader } from '../header/disk-header.ts';
import { identifyDisk } from '../header/identify.ts';
import { checkNotWritten, deviceSize } from './in-use.ts';

/** A disk image whose header was read and found harmless. */
export interface DiskFile {
  /** What qemu opens: absolute, without symbolic links. */
  readonly path: string;
  /** Where in that file the image lies, if not from its first byte to its last: in an archive. */
  readonly range?: { readonly offset: number; readonly size: number };
  /** The file that the user named, in which the image was found. */
  readonly source: string;
  /** The files that hold a split image's data. */
  readonly extents?: readonly string[];
  /** Whether it is a block device. */
  readonly device?: boolean;
  /** Whether it is read although another program writes to it. */
  readonly live?: boolean;
  readonly header: DiskHeader;
  /** The file that it is the difference to, as the user named it. */
  readonly backing?: DiskFile;
}

export interface DiskFileOptions {
  readonly format?: DiskFormat | undefined;
  /** Each file of the chain that the image builds upon, the nearest first. What the image itself says is never followed. */
  readonly backing?: readonly string[] | undefined;
  /** Bytes. */
  readonly maxDiskSize?: number | undefined;
  /** Reads a disk that is in use. */
  readonly liveSource?: boolean | undefined;
}

interface Ranged {
  /** Bytes of the file in which the image lies. */
  readonly range?: { readonly offset: number; readonly size: number } | undefined;
}

export function openDiskFile(
  file: string,
  { format, backing = [], maxDiskSize = DEFAULT_MAX_VIRTUAL_SIZE, liveSource = false, range }: DiskFileOptions & Ranged,
): DiskFile {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new LayerswarmError('not-found', `there is no disk image ${JSON.stringify(file)}`);
  const device = stat.isBlockDevice();
  if (!stat.isFile() && !device)
    throw new LayerswarmError('usage', `${JSON.stringify(file)} is not a file or block device: a disk image is one`);
  const path = realpathSync(file);
  if (!liveSource) checkNotWritten(path);
  using whole = new FileSource(path, device ? deviceSize(stat) : stat.size);
  const isPart = range !== undefined && (range.offset !== 0 || range.size !== whole.size);
  const header = identifyDisk(
    isPart ? new WindowSource(whole, range.offset, range.size) : whole,
    format,
    { maxVirtualSize: maxDiskSize },
    backing.length > 0,
  );
  const [next, ...rest] = backing;
  return {
    path,
    source: path,
    header,
    ...(device && { device }),
    ...(liveSource && { live: true }),
    ...(isPart && { range: { offset: range.offset, size: range.size } }),
    ...(next !== undefined && { backing: openDiskFile(next, { backing: rest, maxDiskSize, liveSource }) }),
  };
}

/** Formats of which a file may be the difference to another. */
const CHAINED: ReadonlySet<DiskFormat> = new Set(['qcow2', 'vmdk', 'qcow', 'qed']);

/**
 * The block node of qemu for a disk image: the driver is said, never probed; the file is opened by path, so that names such as
 * `nbd:…` or `json:…` mean nothing; no reference to another file is followed but to those the user named.
 */
export function blockNode({ path, range, header, backing, device = false, live = false }: DiskFile): Record<string, unknown> {
  const common = { 'read-only': true, ...(live && { 'force-share': true }) };
  const whole = { driver: device ? 'host_device' : 'file', ...common, filename: path };
  if (header.format === 'raw') return { driver: 'raw', ...common, ...range, file: whole };
  const file = range === undefined ? whole : { driver: 'raw', ...common, ...range, file: whole };
  const node = { driver: QEMU_DRIVERS[header.format], ...common, file };
  if (!CHAINED.has(header.format)) return node;
  return { ...node, backing: backing === undefined ? null : blockNode(backing) };
}
