import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import { looksRaw } from '../header/identify.ts';
import type { Program } from '../program/find-programs.ts';

/** What people put around a disk image to send it. */
export type Wrapping =
  | { readonly kind: 'compressed'; readonly name: string; readonly program: Program; readonly args: readonly string[] }
  | { readonly kind: 'zip' }
  | { readonly kind: 'tar' };

/** Memory that a stream may ask its decompressor for: as much as the highest levels of the compressors need. */
const MEMORY = { xz: '1GiB', zstd: '2048MB' } as const;

const MAGICS: readonly { readonly offset: number; readonly magic: Buffer; readonly wrapping: Wrapping }[] = [
  { offset: 0, magic: Buffer.from('1f8b08', 'hex'), wrapping: { kind: 'compressed', name: 'gzip', program: 'gzip', args: ['-dc'] } },
  {
    offset: 0,
    magic: Buffer.from('fd377a585a00', 'hex'),
    wrapping: { kind: 'compressed', name: 'xz', program: 'xz', args: ['-dc', `--memlimit-decompress=${MEMORY.xz}`] },
  },
  {
    offset: 0,
    magic: Buffer.from('28b52ffd', 'hex'),
    wrapping: { kind: 'compressed', name: 'zstd', program: 'zstd', args: ['-dcq', `--memory=${MEMORY.zstd}`] },
  },
  { offset: 0, magic: Buffer.from('BZh'), wrapping: { kind: 'compressed', name: 'bzip2', program: 'bzip2', args: ['-dc'] } },
  { offset: 0, magic: Buffer.from('04224d18', 'hex'), wrapping: { kind: 'compressed', name: 'lz4', program: 'lz4', args: ['-dcq'] } },
  { offset: 0, magic: Buffer.from('PK\x03\x04'), wrapping: { kind: 'zip' } },
  { offset: 257, magic: Buffer.from('ustar'), wrapping: { kind: 'tar' } },
];

/** What is around the disk, by the first bytes and never by the name; undefined for a disk image itself. */
export function wrappingOf(source: ByteSource): Wrapping | undefined {
  const found = MAGICS.find(({ offset, magic }) => readIfThere(source, offset, magic.length)?.equals(magic));
  return found === undefined || looksRaw(source) ? undefined : found.wrapping;
}
