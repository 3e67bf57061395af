import { LayerswarmError } from '../../errors.ts';
import { malformed, refersToHost } from './disk-header.ts';

/** A run of a VMDK's disk, and the file that has it. */
export interface VmdkExtent {
  readonly kind: 'flat' | 'sparse' | 'zero';
  /** Sectors of 512 bytes. */
  readonly sectors: number;
  /** A plain file name, its bytes as latin1; empty for zeros. */
  readonly file: string;
  /** Where in a flat file it begins, in sectors. */
  readonly offset: number;
}

export const SECTOR = 512;
/** Ten TiB in extents of 2 GB, the smallest that VMware makes. */
const MAX_EXTENTS = 5120;
export const MAX_DESCRIPTOR_BYTES = 1024 * 1024;
const NO_PARENT = 'ffffffff';
const LINE = /^(RW|RDONLY|NOACCESS)\s+(\d+)\s+([A-Z]+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?\s*$/i;
const KINDS: Readonly<Record<string, VmdkExtent['kind']>> = { FLAT: 'flat', VMFS: 'flat', SPARSE: 'sparse', ZERO: 'zero' };

/**
 * The extents that a VMDK's text descriptor names. It is never given to qemu, which would open whatever it names: only plain file
 * names get past here, and the caller says in which folder they are.
 * @throws LayerswarmError `denied` for a parent or a path, `unsupported` for what cannot be read
 */
export function parseVmdkDescriptor(text: string): VmdkExtent[] {
  const extents: VmdkExtent[] = [];
  for (const line of text.split(/\r?\n/).map((line) => line.trim())) {
    const parent = /^parentCID\s*=\s*"?(\w*)"?$/i.exec(line);
    if ((parent !== null && parent[1]!.toLowerCase() !== NO_PARENT) || /parentFileNameHint/i.test(line))
      throw refersToHost('vmdk', 'a parent disk (a snapshot: consolidate it, or export the machine)');
    const match = LINE.exec(line);
    if (match === null) {
      if (/^(?:RW|RDONLY|NOACCESS)\s/i.test(line)) throw malformed('vmdk', 'its descriptor has an extent that cannot be read');
      continue;
    }
    const [, access, sectors, type, file = '', offset = '0'] = match as unknown as [string, string, string, string, string?, string?];
    const kind = access.toUpperCase() === 'NOACCESS' ? 'zero' : KINDS[type.toUpperCase()];
    if (kind === undefined)
      throw malformed(
        'vmdk',
        `its descriptor has an extent of type ${type.slice(0, 20)}, and only FLAT, VMFS, SPARSE and ZERO can be read; export the machine as OVA, or clone the disk with vmkfstools -i SOURCE TARGET -d thin`,
      );
    const extent = { kind, sectors: Number(sectors), file: kind === 'zero' ? '' : file, offset: Number(offset) };
    if (!Number.isSafeInteger(extent.sectors * SECTOR) || extent.sectors === 0 || !Number.isSafeInteger(extent.offset * SECTOR))
      throw malformed('vmdk', 'its descriptor has an extent of an impossible size');
    if (kind !== 'zero' && !isPlainName(file)) throw refersToHost('vmdk', `extent files by path (${JSON.stringify(file.slice(0, 100))})`);
    extents.push(extent);
    if (extents.length > MAX_EXTENTS) throw new LayerswarmError('too-large', `the vmdk descriptor names more than ${MAX_EXTENTS} extents`);
  }
  if (extents.length === 0) throw malformed('vmdk', 'its descriptor names no extents');
  return extents;
}

/** A name in the descriptor's own folder, and nothing else. @param name its bytes, as latin1 */
function isPlainName(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    name.length <= 255 &&
    !/[/\\]/.test(name) &&
    !/\p{Cc}/u.test(Buffer.from(name, 'latin1').toString('utf8'))
  );
}
