import { decode, encode, type DecodeOptions } from 'cborg';
import { LayerswarmError } from '../../errors.ts';
import { messageSchema, type Message } from './message.ts';

/**
 * What travels on a control stream: a CBOR array `[kind, id, message]`. `note` wants no answer; `request` and `answer` carry the
 * same id, which is unique among the requests that its sender has open.
 */
export interface Frame {
  readonly kind: FrameKind;
  readonly id: number;
  readonly message: Message;
}

/** A frame of a later version's: well-formed, with a message of a type that this one does not know. */
export interface UnknownFrame {
  readonly kind: FrameKind;
  readonly id: number;
  readonly message: undefined;
}

export type FrameKind = 'note' | 'request' | 'answer';

/** Bytes of the longest frame: a manifest of 4 MiB, and room for what stands around it. */
export const MAX_FRAME_BYTES = (4 << 20) + 4096;
const MAX_REQUEST_ID = 0xffff_ffff;

const KINDS: readonly FrameKind[] = ['note', 'request', 'answer'];
const DECODE_OPTIONS: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
};

/** Notes as they were encoded: one `have` goes to every neighbour of a download, and would be encoded for each. */
const encodedNotes = new WeakMap<Message, Uint8Array>();

/** A message must not change after it was encoded for the first time. @throws `too-large` */
export function encodeFrame(frame: Frame): Uint8Array {
  const encoded = frame.kind === 'note' ? encodedNotes.get(frame.message) : undefined;
  if (encoded !== undefined) return encoded;
  const bytes = encodeAnew(frame);
  if (frame.kind === 'note') encodedNotes.set(frame.message, bytes);
  return bytes;
}

const TYPES: ReadonlySet<string> = new Set(messageSchema.options.map((option) => option.shape.type.value));
const TYPE_NAME = /^[a-z][a-z0-9-]{0,49}$/;

function isOfUnknownType(body: unknown): boolean {
  const type = typeof body === 'object' && body !== null && Object.hasOwn(body, 'type') ? (body as { type: unknown }).type : undefined;
  return typeof type === 'string' && TYPE_NAME.test(type) && !TYPES.has(type);
}

function encodeAnew(frame: Frame): Uint8Array {
  const bytes = encode([KINDS.indexOf(frame.kind), frame.id, frame.message], { ignoreUndefinedProperties: true });
  if (bytes.length > MAX_FRAME_BYTES) {
    throw new LayerswarmError(
      'too-large',
      `a "${frame.message.type}" message of ${bytes.length} bytes is over the limit of ${MAX_FRAME_BYTES}`,
    );
  }
  return bytes;
}

/** @throws `peer-misbehaved` for anything that is not exactly one well-formed frame with a valid message, or one of an unknown type */
export function decodeFrame(bytes: Uint8Array): Frame | UnknownFrame {
  if (bytes.length > MAX_FRAME_BYTES)
    throw new LayerswarmError('peer-misbehaved', `a frame of ${bytes.length} bytes is over the limit of ${MAX_FRAME_BYTES}`);
  let array: unknown;
  try {
    array = decode(bytes, DECODE_OPTIONS);
  } catch (cause) {
    throw new LayerswarmError('peer-misbehaved', 'a frame is not strict CBOR', { cause });
  }
  if (!Array.isArray(array) || array.length !== 3) throw new LayerswarmError('peer-misbehaved', 'a frame is not an array of three');
  const [kindNumber, id, body] = array as [unknown, unknown, unknown];
  const kind = typeof kindNumber === 'number' ? KINDS[kindNumber] : undefined;
  if (kind === undefined) throw new LayerswarmError('peer-misbehaved', 'a frame has an unknown kind');
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_REQUEST_ID)
    throw new LayerswarmError('peer-misbehaved', 'a frame has a request id out of range');
  if (isOfUnknownType(body)) return { kind, id, message: undefined };
  const parsed = messageSchema.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new LayerswarmError('peer-misbehaved', `an invalid message: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim());
  }
  return { kind, id, message: parsed.data };
}
