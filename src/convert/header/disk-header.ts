import { LayerswarmError } from '../../errors.ts';
import { formatBytes } from '../../quantity.ts';
import type { ByteSource } from './byte-source.ts';

/** How `--format` names them; `vpc` is what qemu calls VHD. */
export const DISK_FORMATS = ['raw', 'qcow2', 'vmdk', 'vdi', 'vhd', 'vhdx', 'qcow', 'qed', 'parallels'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** The name of the block driver that qemu has for a format. */
export const QEMU_DRIVERS: Readonly<Record<DiskFormat, string>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vpc',
  vhdx: 'vhdx',
  qcow: 'qcow',
  qed: 'qed',
  parallels: 'parallels',
};

/** What a header says, after everything that could lead out of the file was refused. */
export interface DiskHeader {
  readonly format: DiskFormat;
  /** Bytes that the guest sees; qemu may pad a VHD's. */
  readonly virtualSize: number;
  /** Bytes a logical sector, where the format records it. */
  readonly sectorSize?: 512 | 4096;
  /** Whether some of its data is compressed: then converting to raw first is faster than mapping. */
  readonly compressed: boolean;
  /** Whether it is only the difference to another file, which the user has to name. */
  readonly needsBacking: boolean;
}

export interface HeaderLimits {
  /** Bytes; the largest virtual disk that is accepted. */
  readonly maxVirtualSize: number;
}

export const DEFAULT_MAX_VIRTUAL_SIZE = 16 * 1024 ** 4;

/** Reads one format's header. Every number in it is hostile until checked against the file's size. */
export type ParseHeader = (source: ByteSource, limits: HeaderLimits) => DiskHeader;

export function malformed(format: DiskFormat, why: string): LayerswarmError {
  return new LayerswarmError('unsupported', `not a sound ${format} file: ${why}`);
}

export function truncated(format: DiskFormat, end: number, size: number): LayerswarmError {
  return new LayerswarmError(
    'size-mismatch',
    `the ${format} file is cut short: its tables refer to ${end} bytes, and the file has ${size}; copy it again`,
  );
}

/** A reference to another file of the host: the classes of CVE-2024-32498 and CVE-2022-47951. */
export function refersToHost(format: DiskFormat, what: string): LayerswarmError {
  return new LayerswarmError(
    'denied',
    `refused: this ${format} file refers to ${what}, which could be any file of this host; flatten it where it came from: qemu-img convert -O qcow2 IMAGE FLAT.qcow2`,
  );
}

export function checkVirtualSize(format: DiskFormat, size: number, { maxVirtualSize }: HeaderLimits): void {
  if (!(size > 0)) throw malformed(format, `its virtual size is ${size}`);
  if (!(size <= maxVirtualSize)) {
    throw new LayerswarmError(
      'too-large',
      `the virtual disk has ${formatBytes(size)}, and the limit is ${formatBytes(maxVirtualSize)}; raise it with --max-disk-size where that is meant`,
    );
  }
}

/** A 64-bit big-endian number; above 2^53 it loses precision, which no check against a file's size minds. */
export function u64be(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
}

/** A 64-bit little-endian number; see `u64be`. */
export function u64le(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + 4) * 2 ** 32 + bytes.readUInt32LE(offset);
}

/** Refuses table sizes that no disk of this size needs, before any is read. */
export function checkTableBytes(format: DiskFormat, bytes: number, fileSize: number): void {
  if (!(bytes <= fileSize)) throw malformed(format, `its tables would take ${bytes} bytes of a file of ${fileSize}`);
}
