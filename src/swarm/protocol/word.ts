import { LayerswarmError } from '../../errors.ts';
import {
  bytesOf,
  bytesUpTo,
  flag,
  listOf,
  malformed,
  oneOf,
  optional,
  record,
  textUpTo,
  uint,
  WordReader,
  type Field,
  type Shaped,
} from './word-fields.ts';

/**
 * What members say about blobs on their lanes: a byte that says which word it is, then its fields in the order in which they stand here.
 * Everything is bounded, nothing may follow.
 */

const MAX_PIECES = 16_384;
export const MAX_RUNS = 4096;
const MAX_BLOBS = 64;
/** Bounds what one lookup answer may carry of a blob: those under two pieces come inline. */
export const MAX_INLINE_BYTES = 128 * 1024;
/** The longest that anybody may say unasked. */
export const MAX_WORD_BYTES = 64 * 1024;
/** The longest answer: a list of prefix digests. */
export const MAX_REPLY_BYTES = (1 << 20) + 4096;

const RAW_DIGEST_BYTES = { sha256: 32, sha512: 64 } as const;
const algorithm = oneOf('sha256', 'sha512');
/** As text here; on the wire the algorithm and its raw bytes. */
const digest: Field<string> = {
  write: (value) => {
    const [name, hex] = value.split(':') as ['sha256', string];
    return Buffer.concat([algorithm.write(name), Buffer.from(hex, 'hex')]);
  },
  read: (from) => {
    const name = algorithm.read(from);
    return `${name}:${from.take(RAW_DIGEST_BYTES[name]).toString('hex')}`;
  },
};
/** [first piece, number of pieces], as many as a word may hold. By hand: no word comes as often as news of pieces does. */
const runs: Field<[number, number][]> = {
  write: (value) => {
    const bytes = Buffer.allocUnsafe(2 + 4 * value.length);
    bytes.writeUInt16BE(value.length, 0);
    value.forEach(([first, count], i) => bytes.writeUInt32BE(first * 0x1_0000 + count, 2 + 4 * i));
    return bytes;
  },
  read: (from) => {
    const bytes = from.take(4 * from.uint(2, MAX_RUNS));
    const read: [number, number][] = [];
    for (let at = 0; at < bytes.length; at += 4) {
      const [first, count] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
      if (first > MAX_PIECES || count > MAX_PIECES) throw malformed(`says ${Math.max(first, count)} where ${MAX_PIECES} is the most`);
      read.push([first, count]);
    }
    return read;
  },
};
const blob = digest;
const size = uint(6);
const piece = uint(2, MAX_PIECES);
const pieceLength = uint(4, 1 << 30, 1024);
const leaseId = uint(6);
const bits = bytesUpTo(MAX_PIECES / 8);
/** 12 hexadecimal digits. */
const pullId: Field<string> = { write: (id) => Buffer.from(id, 'hex'), read: (from) => from.take(6).toString('hex') };
/** As `Holding`. */
const holding = record({
  blob,
  state: oneOf('none', 'partial', 'complete'),
  size: optional(size),
  pieceLength: optional(pieceLength),
  bits: optional(bits),
  inline: optional(bytesUpTo(MAX_INLINE_BYTES)),
});

const WORDS = {
  ok: {},
  error: { code: textUpTo(50), message: textUpTo(2000) },
  /** `forZone`: the sender told nobody else in the receiver's zone yet, so that the receiver is to fetch these for all there. */
  have: { blob, forZone: flag, runs },
  /**
   * Leases on extents that nobody has. `active`: what the sender is reading under leases of an earlier coordinator. `insists`: whoever is closer
   * to the digest is silent or out of reach, so that the receiver is to grant leases itself.
   */
  'lease-request': {
    blob,
    size,
    pieceLength,
    pieces: uint(2, MAX_PIECES, 1),
    insists: optional(flag),
    ranges: optional(oneOf('heeded', 'ignored', 'unknown')),
    bits,
    active: runs,
  },
  'lease-grant': {
    blob,
    extents: listOf(record({ id: leaseId, first: piece, count: piece }), 64),
    /** Extents are all leased or held: ask again after this time, or when the swarm told you more. */
    waitMs: optional(uint(2, 60_000)),
    /** Somebody closer to the digest than the sender coordinates; without extents, then. A peer id. */
    redirect: optional(textUpTo(128)),
  },
  'lease-report': { blob, id: leaseId, outcome: oneOf('done', 'failed', 'released'), done: runs },
  'get-list': { blob },
  list: { blob, size, checkpointLength: pieceLength, signature: bytesOf(64), digests: bytesUpTo(1 << 20) },
  /** What the receiver signed of these pieces proved wrong: it is asked to look again, and answers what it says now. */
  dispute: { blob, runs },
  statements: { blob, statements: listOf(bytesUpTo(512), 4096) },
  // As the messages of these names.
  find: { blobs: listOf(digest, MAX_BLOBS, 1), inline: flag, pull: optional(pullId) },
  found: { holdings: listOf(holding, MAX_BLOBS) },
  join: { holding, wants: flag, pull: optional(pullId) },
  joined: { holding, wants: flag },
  leave: { blob, complete: flag },
} as const;

type Words = typeof WORDS;
export type Word = { [T in keyof Words]: { type: T } & Shaped<Words[T]> }[keyof Words];
export type WordType = Word['type'];

const NAMES = Object.keys(WORDS) as WordType[];
const CODECS = new Map<string, { readonly number: number; readonly fields: Field<object> }>(
  NAMES.map((name, number) => [name, { number, fields: record(WORDS[name]) }]),
);

/** News as it was encoded: it goes to every neighbour of a download, and would be encoded for each. */
const encodedNews = new WeakMap<object, Uint8Array>();

/** Whether it can be said on a lane. */
export function isWord(message: { readonly type: string }): message is Word {
  return CODECS.has(message.type);
}

/** What finding a blob begins and ends with goes to members that no lane leads to as well: over the connection, then. */
const ALSO_WITHOUT_LANE: ReadonlySet<string> = new Set<WordType>(['find', 'join', 'leave']);

/** Whether it is said on a lane alone: one is opened for it. */
export function needsLane(word: Word): boolean {
  return !ALSO_WITHOUT_LANE.has(word.type);
}

/** News must not change after it was encoded for the first time. @throws `too-large` */
export function encodeWord(word: Word): Uint8Array {
  if (word.type !== 'have') return encodeAnew(word);
  const bytes = encodedNews.get(word) ?? encodeAnew(word);
  encodedNews.set(word, bytes);
  return bytes;
}

function encodeAnew(word: Word): Uint8Array {
  const { number, fields } = CODECS.get(word.type)!;
  const bytes = Buffer.concat([Uint8Array.of(number), fields.write(word)]);
  if (bytes.length > MAX_REPLY_BYTES)
    throw new LayerswarmError('too-large', `"${word.type}" of ${bytes.length} bytes is over the limit of ${MAX_REPLY_BYTES}`);
  return bytes;
}

/** @throws `peer-misbehaved` for anything that is not exactly one word */
export function decodeWord(bytes: Uint8Array): Word {
  const from = new WordReader(bytes);
  const name = NAMES[from.uint(1, 255)];
  if (name === undefined) throw malformed('is not known');
  const word = { type: name, ...CODECS.get(name)!.fields.read(from) } as Word;
  if (from.left > 0) throw malformed('goes on after its end');
  return word;
}
