import { writeFileSync } from 'node:fs';
import { LayerswarmError } from '../../errors.ts';
import type { Extent } from './find-volumes.ts';

const SECTOR = 512;

/**
 * Writes a VMDK descriptor that makes one disk of pieces of files that lie in the same folder: qemu has no other way to
 * put segments one after the other without copying them. (From the outside such a descriptor is refused; this one is ours.)
 * @param disks a name without a folder for each disk
 */
export function writeJoinedExtents(descriptor: string, disks: readonly string[], extents: readonly Extent[]): void {
  const lines = extents.map(({ disk, offset, size }) => {
    if (offset % SECTOR !== 0 || size % SECTOR !== 0)
      throw new LayerswarmError('unsupported', 'a logical volume is not aligned to sectors');
    return `RW ${size / SECTOR} FLAT "${disks[disk]!}" ${offset / SECTOR}`;
  });
  const text = [
    '# Disk DescriptorFile',
    'version=1',
    'CID=12345678',
    'parentCID=ffffffff',
    'createType="twoGbMaxExtentFlat"',
    ...lines,
    'ddb.adapterType = "ide"',
    '',
  ];
  writeFileSync(descriptor, text.join('\n'), { flag: 'wx', mode: 0o600 });
}

/** The block node of such a descriptor. */
export function joinedNode(descriptor: string): Record<string, unknown> {
  return { driver: 'vmdk', 'read-only': true, backing: null, file: { driver: 'file', filename: descriptor } };
}
