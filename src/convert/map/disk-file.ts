import { realpathSync, statSync } from 'node:fs';
import { LayerswarmError } from '../../errors.ts';
import { FileSource } from '../header/byte-source.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE, QEMU_DRIVERS, type DiskFormat, type DiskHeader } from '../header/disk-header.ts';
import { identifyDisk } from '../header/identify.ts';

/** A disk image whose header was read and found harmless. */
export interface DiskFile {
  /** Absolute, without symbolic links. */
  readonly path: string;
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
}

export function openDiskFile(file: string, { format, backing = [], maxDiskSize = DEFAULT_MAX_VIRTUAL_SIZE }: DiskFileOptions): DiskFile {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new LayerswarmError('not-found', `there is no disk image ${JSON.stringify(file)}`);
  if (!stat.isFile()) throw new LayerswarmError('usage', `${JSON.stringify(file)} is not a file: a disk image is one`);
  const path = realpathSync(file);
  using source = new FileSource(path);
  const header = identifyDisk(source, format, { maxVirtualSize: maxDiskSize }, backing.length > 0);
  const [next, ...rest] = backing;
  return next === undefined ? { path, header } : { path, header, backing: openDiskFile(next, { backing: rest, maxDiskSize }) };
}

/**
 * The block node of qemu for a disk image: the driver is said, never probed; the file is opened by path, so that names such as
 * `nbd:…` or `json:…` mean nothing; no reference to another file is followed but to those the user named.
 */
export function blockNode({ path, header, backing }: DiskFile): Record<string, unknown> {
  const file = { driver: 'file', filename: path };
  if (header.format === 'raw') return { driver: 'raw', 'read-only': true, file };
  const node = { driver: QEMU_DRIVERS[header.format], 'read-only': true, file };
  if (header.format !== 'qcow2' && header.format !== 'vmdk') return node;
  return { ...node, backing: backing === undefined ? null : blockNode(backing) };
}
