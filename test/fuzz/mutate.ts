import type { Literals } from './instrument.ts';
import type { Pair } from './probe.ts';

type Random = () => number;

const INTERESTING = [
  0,
  1,
  2,
  7,
  8,
  15,
  16,
  31,
  32,
  63,
  64,
  127,
  128,
  255,
  256,
  511,
  512,
  1023,
  1024,
  4095,
  4096,
  32_767,
  32_768,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
];
const WIDTHS = [1, 2, 4, 8] as const;
const MAX_STACKED = 16;

/** Tokens that a parser may look for, from its own code. */
export function dictionaryOf({ texts, numbers }: Literals): Buffer[] {
  const tokens: Buffer[] = [...texts].flatMap((text) =>
    /^(?:[0-9a-f]{2}){2,}$/.test(text) ? [Buffer.from(text), Buffer.from(text, 'hex')] : [Buffer.from(text)],
  );
  for (const number of numbers) {
    if (number < 0) continue;
    for (const width of WIDTHS)
      if (number < 256 ** width && (width === 1 || number >= 256 ** (width / 2))) tokens.push(...encodings(number, width));
  }
  return tokens.filter(({ length }) => length > 0);
}

/** One to sixteen changes, each of a kind that parsers are known to stumble over. */
export function mutate(input: Buffer, other: Buffer, dictionary: readonly Buffer[], limit: number, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let left = 1 << Math.floor(random() * (Math.log2(MAX_STACKED) + 1)); left > 0; left--)
    bytes = change(bytes, other, dictionary, random);
  return bytes.length > limit ? bytes.subarray(0, limit) : bytes;
}

function change(bytes: Buffer, other: Buffer, dictionary: readonly Buffer[], random: Random): Buffer {
  const upTo = (n: number): number => Math.floor(random() * n);
  const at = upTo(bytes.length + 1);
  const length = 1 + upTo(Math.min(random() < 0.8 ? 16 : 1024, Math.max(1, bytes.length - at)));
  const token = dictionary.length === 0 ? Buffer.alloc(1) : dictionary[upTo(dictionary.length)]!;
  switch (upTo(11)) {
    case 0:
      return within(bytes, at, (to) => {
        to[at]! ^= 1 << upTo(8);
      });
    case 1:
      return within(bytes, at, (to) => {
        to[at] = upTo(256);
      });
    case 2:
      return within(bytes, at, (to) => {
        to[at]! += upTo(71) - 35;
      });
    case 3: {
      const width = WIDTHS[upTo(4)]!;
      const number = INTERESTING[upTo(INTERESTING.length)]! % 256 ** width;
      return overwrite(bytes, at, encodings(number, width).at(-upTo(2))!);
    }
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]);
    case 6:
      return Buffer.concat([bytes.subarray(0, at), token, bytes.subarray(at)]);
    case 7:
      return overwrite(bytes, at, token);
    case 8: {
      const from = upTo(other.length + 1);
      return Buffer.concat([
        bytes.subarray(0, at),
        other.subarray(from, random() < 0.5 ? undefined : from + length),
        bytes.subarray(at + length),
      ]);
    }
    case 9:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length }, () => upTo(256))), bytes.subarray(at)]);
    default: {
      // runs of one byte, which make loops and lengths large
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length * 4, bytes[at] ?? upTo(256)), bytes.subarray(at)]);
    }
  }
}

/** Inputs in which what the parser compared stands as it was wanted: magic numbers, lengths and checksums in one step. */
export function* answersTo(pairs: readonly Pair[], input: Buffer, random: Random): Generator<Buffer> {
  const seen = new Set<string>();
  for (const [a, b] of pairs) {
    for (const [have, want] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const [from, to] of replacements(have, want)) {
        const key = `${from.toString('latin1')}\0${to.toString('latin1')}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const places: number[] = [];
        for (let at = input.indexOf(from); at >= 0 && places.length < 64; at = input.indexOf(from, at + 1)) places.push(at);
        // zeros and small numbers stand everywhere: some of the places will do
        for (const at of places.length <= 8 ? places : Array.from({ length: 8 }, () => places[Math.floor(random() * places.length)]!)) {
          yield Buffer.concat([input.subarray(0, at), to, input.subarray(at + from.length)]);
        }
      }
    }
  }
}

function replacements(have: unknown, want: unknown): [Buffer, Buffer][] {
  if (typeof have === 'string' && typeof want === 'string') {
    return have === '' || have.length > 200 || want.length > 200
      ? []
      : [
          [Buffer.from(have), Buffer.from(want)],
          [Buffer.from(have, 'latin1'), Buffer.from(want, 'latin1')],
        ];
  }
  if (typeof have === 'bigint' && typeof want === 'bigint') return replacements(Number(have), Number(want));
  if (typeof have !== 'number' || typeof want !== 'number' || !isWhole(have) || !isWhole(want)) return [];
  const found: [Buffer, Buffer][] = [[Buffer.from(String(have)), Buffer.from(String(want))]];
  for (const wanted of new Set([want, want + 1, Math.max(0, want - 1)])) {
    for (const width of WIDTHS) {
      if (have >= 256 ** width || wanted >= 256 ** width) continue;
      const to = encodings(wanted, width);
      for (const [i, from] of encodings(have, width).entries()) found.push([from, to[i]!]);
    }
  }
  return found;
}

function isWhole(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}

/** Little and big endian; one form only of a single byte. */
function encodings(number: number, width: 1 | 2 | 4 | 8): Buffer[] {
  const little = new Uint8Array(width);
  for (let i = 0, rest = number; i < width; i++, rest = Math.floor(rest / 256)) little[i] = rest % 256;
  return width === 1 ? [Buffer.from(little)] : [Buffer.from(little), Buffer.from(little.toReversed())];
}

function within(bytes: Buffer, at: number, edit: (bytes: Buffer) => void): Buffer {
  if (at < bytes.length) edit(bytes);
  return bytes;
}

function overwrite(bytes: Buffer, at: number, token: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), token, bytes.subarray(at + token.length)]);
}
