import { LayerswarmError } from '../../errors.ts';
import { Digest, type DigestAlgorithm } from '../../oci/digest.ts';
import { MAX_REPLY_BYTES, MAX_WORD_BYTES } from '../protocol/word.ts';
import type { ByteRange } from './lane.ts';

/**
 * What travels on a lane, `/layerswarm/lane/3`. Every frame is a header of 8 bytes and a payload, all integers big-endian:
 *
 *     type u8 | payload length u24 | id u32 | payload
 *
 * Each side numbers the requests that it makes, upwards. Everything about a request carries its id; the type says whose counter the
 * id is from.
 *
 * | type | payload | sent by |
 * |---|---|---|
 * | hello | version u8 | whoever accepted the lane, first; the opener sends nothing before it came |
 * | request | digest, start u64, end u64 | the asking side |
 * | answer | note | the asked side; the bytes of the range follow as `data`, then `end` |
 * | data | 1 to 131,072 bytes | |
 * | end | – | |
 * | refuse | reason u8 | instead of `answer` or, when the bytes fail half-way or were cancelled, instead of `end` |
 * | cancel | – | the asking side, which still waits for `end` or `refuse` before it forgets the id |
 * | bye | – | either side: it begins nothing more, and the lane closes once nothing is in flight. Instead of hello: the lane is declined, since the peer opens one itself |
 * | note, ask, reply | a word about a blob, see `protocol/word.ts` | either side; a reply has the id of its ask, and may come on another lane of the two |
 *
 * A digest is the algorithm as u8 (1 sha256, 2 sha512) and its raw bytes.
 */
export type Frame =
  | { readonly type: 'hello'; readonly id: number; readonly version: number }
  | { readonly type: 'request'; readonly id: number; readonly blob: Digest; readonly range: ByteRange }
  | { readonly type: 'answer'; readonly id: number; readonly note: Uint8Array }
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'end' | 'cancel' | 'bye'; readonly id: number }
  | { readonly type: 'refuse'; readonly id: number; readonly reason: RefuseReason }
  | WordFrame;

/** `ask` wants an answer; its id is unique among those that its sender has open with this peer, whatever the lane. */
export interface WordFrame {
  readonly type: 'note' | 'ask' | 'reply';
  readonly id: number;
  readonly word: Uint8Array;
}

export type FrameType = Frame['type'];

/** `not-found`: not here, or not to be had by this peer. `unavailable`: here, but not now. `cancelled`: the asking side wished it. */
export type RefuseReason = 'not-found' | 'unavailable' | 'cancelled';

export const LANE_VERSION = 3;
export const HEADER_BYTES = 8;
export const MAX_DATA_BYTES = 128 * 1024;
export const MAX_NOTE_BYTES = 16 * 1024;
export const MAX_ID = 0xffff_ffff;

const RANGE_BYTES = 16;
const SHORTEST_DIGEST = 1 + 32;
const LONGEST_DIGEST = 1 + 64;

/** Wire number, and the bounds of the payload in bytes, of each type. */
const TYPES: Readonly<Record<FrameType, { readonly number: number; readonly min: number; readonly max: number }>> = {
  hello: { number: 0, min: 1, max: 1 },
  request: { number: 1, min: SHORTEST_DIGEST + RANGE_BYTES, max: LONGEST_DIGEST + RANGE_BYTES },
  answer: { number: 2, min: 0, max: MAX_NOTE_BYTES },
  data: { number: 3, min: 1, max: MAX_DATA_BYTES },
  end: { number: 4, min: 0, max: 0 },
  refuse: { number: 5, min: 1, max: 1 },
  cancel: { number: 6, min: 0, max: 0 },
  bye: { number: 7, min: 0, max: 0 },
  note: { number: 8, min: 1, max: MAX_WORD_BYTES },
  ask: { number: 9, min: 1, max: MAX_WORD_BYTES },
  reply: { number: 10, min: 1, max: MAX_REPLY_BYTES },
};
const TYPE_OF_NUMBER = (Object.keys(TYPES) as FrameType[]).sort((a, b) => TYPES[a].number - TYPES[b].number);

const ALGORITHMS: readonly DigestAlgorithm[] = ['sha256', 'sha512'];
const RAW_DIGEST_BYTES: Readonly<Record<DigestAlgorithm, number>> = { sha256: 32, sha512: 64 };
const REASONS: readonly RefuseReason[] = ['not-found', 'unavailable', 'cancelled'];

/** The whole frame. A `data` frame's bytes are copied; whoever sends many writes `encodeHeader` and the bytes themselves. */
export function encodeFrame(frame: Frame): Buffer {
  const payload = encodePayload(frame);
  return Buffer.concat([encodeHeader(frame.type, frame.id, payload.length), payload]);
}

/** @throws `too-large` for a payload that the type does not allow */
export function encodeHeader(type: FrameType, id: number, payloadBytes: number): Buffer {
  return writeHeader(Buffer.allocUnsafe(HEADER_BYTES), type, id, payloadBytes);
}

/** The whole frame, where there is room for its header before the payload in the same memory. @throws as `encodeHeader` */
export function withHeader(type: FrameType, id: number, payload: Uint8Array): Buffer {
  return writeHeader(
    Buffer.from(payload.buffer, payload.byteOffset - HEADER_BYTES, HEADER_BYTES + payload.length),
    type,
    id,
    payload.length,
  );
}

function writeHeader(frame: Buffer, type: FrameType, id: number, payloadBytes: number): Buffer {
  const { number, min, max } = TYPES[type];
  if (payloadBytes < min || payloadBytes > max)
    throw new LayerswarmError('too-large', `a ${type} frame carries ${min} to ${max} bytes, not ${payloadBytes}`);
  frame.writeUInt32BE(number * 0x100_0000 + payloadBytes, 0);
  frame.writeUInt32BE(id, 4);
  return frame;
}

function encodePayload(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'hello':
      return Uint8Array.of(frame.version);
    case 'request':
      return encodeBlobRange(frame.blob, frame.range);
    case 'answer':
      return frame.note;
    case 'data':
      return frame.bytes;
    case 'refuse':
      return Uint8Array.of(REASONS.indexOf(frame.reason) + 1);
    case 'end':
    case 'cancel':
    case 'bye':
      return new Uint8Array(0);
    case 'note':
    case 'ask':
    case 'reply':
      return frame.word;
  }
}

function encodeBlobRange(blob: Digest, range: ByteRange): Buffer {
  const ends = Buffer.allocUnsafe(RANGE_BYTES);
  ends.writeBigUInt64BE(BigInt(range.start), 0);
  ends.writeBigUInt64BE(BigInt(range.end), 8);
  return Buffer.concat([Uint8Array.of(ALGORITHMS.indexOf(blob.algorithm) + 1), blob.bytes(), ends]);
}

export interface Header {
  readonly type: FrameType;
  readonly length: number;
  readonly id: number;
}

/** @throws `peer-misbehaved` for an unknown type or a length that the type does not allow */
export function decodeHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const word = view.getUint32(0);
  const type = TYPE_OF_NUMBER[word >>> 24];
  if (type === undefined) throw malformed(`unknown frame type ${word >>> 24}`);
  const length = word & 0xff_ffff;
  const { min, max } = TYPES[type];
  if (length < min || length > max) throw malformed(`a ${type} frame of ${length} bytes, expected ${min} to ${max}`);
  return { type, length, id: view.getUint32(4) };
}

/** Decodes the whole payload of any frame but data. @throws `peer-misbehaved` */
export function decodeFrame({ type, id }: Header, payload: Uint8Array): Frame {
  switch (type) {
    case 'hello':
      return { type, id, version: payload[0]! };
    case 'request':
      return { type, id, ...decodeBlobRange(payload) };
    // Copied: the payload lies in memory that is read into again.
    case 'answer':
      return { type, id, note: Uint8Array.from(payload) };
    case 'data':
      return { type, id, bytes: payload };
    case 'refuse': {
      const reason = REASONS[payload[0]! - 1];
      if (reason === undefined) throw malformed(`unknown reason ${payload[0]!} of a refusal`);
      return { type, id, reason };
    }
    case 'end':
    case 'cancel':
    case 'bye':
      return { type, id };
    // Not copied: it is decoded before the memory is read into again.
    case 'note':
    case 'ask':
    case 'reply':
      return { type, id, word: payload };
  }
}

function decodeBlobRange(payload: Uint8Array): { blob: Digest; range: ByteRange } {
  const algorithm = ALGORITHMS[payload[0]! - 1];
  if (algorithm === undefined) throw malformed(`unknown digest algorithm ${payload[0]!}`);
  const digestEnd = 1 + RAW_DIGEST_BYTES[algorithm];
  if (payload.length !== digestEnd + RANGE_BYTES) throw malformed(`a digest and range of ${payload.length} bytes`);
  const hex = Buffer.from(payload.buffer, payload.byteOffset + 1, digestEnd - 1).toString('hex');
  const view = new DataView(payload.buffer, payload.byteOffset + digestEnd, RANGE_BYTES);
  const start = view.getBigUint64(0);
  const end = view.getBigUint64(8);
  if (start > end || end > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`a range from ${start} to ${end}`);
  return { blob: Digest.parse(`${algorithm}:${hex}`), range: { start: Number(start), end: Number(end) } };
}

function malformed(what: string): LayerswarmError {
  return new LayerswarmError('peer-misbehaved', `the lane carried ${what}`);
}
