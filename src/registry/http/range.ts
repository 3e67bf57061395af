import { LayerswarmError } from '../../errors.ts';
import { OciError } from '../http-error.ts';

/** Byte positions of a part: `start` inclusive, `end` exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The part that a Range header asks for (RFC 9110 §14.1.2); undefined for the whole: no header, another unit, or a malformed one,
 * which a server is to ignore.
 * @throws LayerswarmError `range-invalid` when no byte of it exists; OciError 400 for several ranges
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const specifier = header === undefined ? undefined : /^bytes=(.*)$/i.exec(header.trim())?.[1];
  if (specifier === undefined) return undefined;
  if (specifier.includes(','))
    throw new OciError(400, 'UNSUPPORTED', 'several byte ranges in one request are not supported; ask for one at a time');
  const match = /^(\d{0,16})-(\d{0,16})$/.exec(specifier.trim());
  if (match === null) return undefined;
  const first = match[1]!;
  const last = match[2]!;
  if (first === '' && last === '') return undefined;
  if (first === '') return satisfiable({ start: Math.max(0, size - Number(last)), end: size }, size);
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  return satisfiable({ start, end: last === '' ? size : Math.min(size, Number(last) + 1) }, size);
}

function satisfiable(range: ByteRange, size: number): ByteRange {
  if (range.start < range.end) return range;
  throw new LayerswarmError('range-invalid', `the range lies outside of the ${size} bytes`, { detail: { size } });
}
