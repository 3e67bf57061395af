import { LayerswarmError } from '../../errors.ts';
import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import type { Member } from './choose-disk.ts';
import { malformed, parsePax, parseSparseHeader, parseSparseMap, readNumber, type SparsePiece } from './tar-sparse.ts';

const BLOCK = 512;
const MAX_HEADER_BYTES = 1024 * 1024;
const MAX_MEMBERS = 100_000;
const MAX_NAME = 4096;

/** A regular file in a tar archive. */
export interface TarMember extends Member {
  /** Of its bytes, from the archive's start. */
  readonly offset: number;
  /** Bytes in the archive, which are fewer than its size where it is sparse. */
  readonly packedSize: number;
  /** Where a sparse file has data, in order. */
  readonly sparse?: readonly SparsePiece[];
}

/** The regular files in a tar archive: ustar, with the extensions of pax and of GNU for long names, sizes and sparse files. */
export function listTar(source: ByteSource): TarMember[] {
  const members: TarMember[] = [];
  let pax: Readonly<Record<string, string>> = {};
  let longName: string | undefined;
  for (let at = 0; ;) {
    const header = readIfThere(source, at, BLOCK);
    // Two blocks of zeros end an archive; one cut short without them is noticed where a member lies outside.
    if (header === undefined || header.every((byte) => byte === 0)) return members;
    if (readNumber(header, 148, 8) !== checksum(header)) throw malformed(`a header at ${at} is damaged`);
    const type = String.fromCharCode(header[156]!);
    const size = pax['size'] === undefined ? readNumber(header, 124, 12) : Number(pax['size']);
    if (!Number.isSafeInteger(size) || size < 0) throw malformed('a size is wrong');
    at += BLOCK;
    if (type === 'x' || type === 'L' || type === 'g') {
      if (size > MAX_HEADER_BYTES) throw malformed('a header is larger than any sound one');
      const data = source.read(at, size);
      if (type === 'x') pax = parsePax(data);
      if (type === 'L') longName = data.toString('utf8').split('\0', 1)[0]!;
      at += padded(size);
      continue;
    }
    let offset = at;
    let sparse: readonly SparsePiece[] | undefined;
    let realSize = size;
    if (type === 'S') {
      const old = parseSparseHeader(source, header, at);
      offset = old.offset;
      ({ realSize, pieces: sparse } = old);
      // The blocks that continue the map are not part of the size.
      at = old.offset;
    } else if (pax['GNU.sparse.major'] !== undefined || pax['GNU.sparse.size'] !== undefined) {
      const map = parseSparseMap(source, pax, at, size);
      offset = map.offset;
      ({ realSize, pieces: sparse } = map);
    }
    const end = at + size;
    const name = (pax['GNU.sparse.name'] ?? pax['path'] ?? longName ?? ustarName(header)).slice(0, MAX_NAME);
    if (type === '0' || type === '\0' || type === 'S' || type === '7') {
      if (end > source.size)
        throw new LayerswarmError(
          'size-mismatch',
          `the tar archive is cut short: ${JSON.stringify(name)} ends at ${end}, and the archive has ${source.size} bytes; copy it again`,
        );
      members.push({ name, offset, packedSize: end - offset, size: realSize, ...(sparse !== undefined && { sparse }) });
      if (members.length > MAX_MEMBERS)
        throw new LayerswarmError(
          'too-large',
          `the tar archive holds more than ${MAX_MEMBERS} files: a disk image is packed alone, and a root file system is seeded with: layerswarm seed tar:FILE`,
        );
    }
    // A link has no data, whatever its size says.
    at = type === '1' || type === '2' ? at : at + padded(size);
    pax = {};
    longName = undefined;
  }
}

function ustarName(header: Buffer): string {
  const text = (at: number, length: number): string => header.toString('utf8', at, at + length).split('\0', 1)[0]!;
  // GNU's own format has other things where ustar has the prefix.
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? text(345, 155) : '';
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`;
}

function checksum(header: Buffer): number {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!;
  return sum;
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}
