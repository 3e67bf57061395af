import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import type { Extent } from './find-volumes.ts';

const SECTOR = 512;

/**
 * Writes a VMDK descriptor that makes one disk of pieces of the file `disk`, which lies in the same folder: qemu has no other way to
 * put segments one after the other without copying them. (From the outside such a descriptor is refused; this one is ours.)
 */
export function writeJoinedExtents(descriptor: string, disk: string, extents: readonly Extent[]): void {
  const lines = extents.map(({ offset, size }) => {
    if (offset % SECTOR !== 0 || size % SECTOR !== 0) throw new LayerswarmError('unsupported', 'a logical volume is not aligned to sectors');
    return `RW ${size / SECTOR} FLAT "${basename(disk)}" ${offset / SECTOR}`;
  });
  const text = ['# Disk DescriptorFile', 'version=1', 'CID=12345678', 'parentCID=ffffffff', 'createType="twoGbMaxExtentFlat"', ...lines, 'ddb.adapterType = "ide"', ''];
  writeFileSync(descriptor, text.join('\n'), { flag: 'wx', mode: 0o600 });
}

/** The block node of such a descriptor. */
export function joinedNode(descriptor: string): Record<string, unknown> {
  return { driver: 'vmdk', 'read-only': true, backing: null, file: { driver: 'file', filename: descriptor } };
}
