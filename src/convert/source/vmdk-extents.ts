import { lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { FileSource } from '../header/byte-source.ts';
import { checkVirtualSize, malformed, truncated, type DiskHeader, type HeaderLimits } from '../header/disk-header.ts';
import { MAX_DESCRIPTOR_BYTES, parseVmdkDescriptor, SECTOR, type VmdkExtent } from '../header/vmdk-descriptor.ts';
import { parseVmdkExtent } from '../header/vmdk.ts';

/** A VMDK whose extents were found, and the descriptor of ours that names them to qemu. */
export interface JoinedVmdk {
  readonly descriptor: string;
  readonly header: DiskHeader;
  readonly files: readonly string[];
}

/**
 * Finds the extents of a VMDK in its own folder, or among those that the user names, checks each, and writes a descriptor of ours: in
 * it the extents are links in the scratch folder, so that no name of theirs is interpreted. Nothing else is ever opened.
 * @param named paths of extents that lie elsewhere
 */
export function joinVmdkExtents(path: string, named: readonly string[], scratch: string, limits: HeaderLimits): JoinedVmdk {
  using source = new FileSource(path);
  if (source.size > MAX_DESCRIPTOR_BYTES) throw malformed('vmdk', 'its descriptor is larger than any sound one');
  const extents = parseVmdkDescriptor(source.read(0, source.size).toString('latin1').split('\0', 1)[0]!);
  checkVirtualSize(
    'vmdk',
    extents.reduce((sum, { sectors }) => sum + sectors * SECTOR, 0),
    limits,
  );
  const lines: string[] = [];
  const files: string[] = [];
  let compressed = false;
  for (const [i, extent] of extents.entries()) {
    if (extent.kind === 'zero') {
      lines.push(`RW ${extent.sectors} ZERO`);
      continue;
    }
    const file = findExtent(extent, path, named);
    compressed = checkExtent(file, extent, limits) || compressed;
    const link = `extent${i}`;
    symlinkSync(file, join(scratch, link));
    lines.push(`RW ${extent.sectors} ${extent.kind === 'flat' ? `FLAT "${link}" ${extent.offset}` : `SPARSE "${link}"`}`);
    files.push(file);
  }
  const descriptor = join(scratch, 'extents.vmdk');
  writeFileSync(
    descriptor,
    [
      '# Disk DescriptorFile',
      'version=1',
      'CID=12345678',
      'parentCID=ffffffff',
      'createType="twoGbMaxExtentSparse"',
      ...lines,
      'ddb.adapterType = "ide"',
      '',
    ].join('\n'),
    { flag: 'wx', mode: 0o600 },
  );
  return {
    descriptor,
    files,
    header: {
      format: 'vmdk',
      virtualSize: extents.reduce((sum, { sectors }) => sum + sectors * SECTOR, 0),
      compressed,
      needsBacking: false,
    },
  };
}

/** A link is not followed: what came out of an archive may lead anywhere. */
function findExtent({ file }: VmdkExtent, descriptor: string, named: readonly string[]): string {
  // The descriptor's names are latin1 here, and those of the file system UTF-8.
  const name = Buffer.from(file, 'latin1').toString('utf8');
  const path = named.find((candidate) => basename(candidate) === name) ?? join(dirname(descriptor), name);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new LayerswarmError(
      'not-found',
      `the VMDK's extent ${JSON.stringify(name)} is not in its folder: put it there, or name it with --extents`,
    );
  if (!stat.isFile())
    throw new LayerswarmError('denied', `the VMDK's extent ${JSON.stringify(name)} is not a plain file; links are not followed`);
  return path;
}

/** Says whether it is compressed. */
function checkExtent(path: string, { kind, sectors, offset }: VmdkExtent, limits: HeaderLimits): boolean {
  using source = new FileSource(path);
  if (kind === 'flat') {
    if ((offset + sectors) * SECTOR > source.size) throw truncated('vmdk', (offset + sectors) * SECTOR, source.size);
    return false;
  }
  const header = parseVmdkExtent(source, limits);
  if (header.virtualSize < sectors * SECTOR)
    throw malformed(
      'vmdk',
      `its extent ${JSON.stringify(basename(path))} has ${header.virtualSize} bytes, and the descriptor says ${sectors * SECTOR}`,
    );
  return header.compressed;
}
