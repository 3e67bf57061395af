import test from 'ava';
import * as fc from 'fast-check';
import { LayerswarmError } from '../../../../src/errors.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import { encodeFrame, encodeHeader, MAX_DATA_BYTES, MAX_ID, MAX_NOTE_BYTES, type Frame } from '../../../../src/swarm/lane/frame.ts';
import { FrameParser } from '../../../../src/swarm/lane/frame-parser.ts';

const SHA256 = Digest.parse(`sha256:${'ab'.repeat(32)}`);
const SHA512 = Digest.parse(`sha512:${'cd'.repeat(64)}`);

const WIRE: readonly (readonly [Frame, string])[] = [
  [{ type: 'hello', id: 0, version: 1 }, '00000001 00000000 01'],
  [
    { type: 'request', id: 7, blob: SHA256, range: { start: 1, end: 0x1_0000_0000 } },
    `01000031 00000007 01 ${'ab'.repeat(32)} 0000000000000001 0000000100000000`,
  ],
  [
    { type: 'request', id: 8, blob: SHA512, range: { start: 0, end: 0 } },
    `01000051 00000008 02 ${'cd'.repeat(64)} 0000000000000000 0000000000000000`,
  ],
  [{ type: 'answer', id: 7, note: Buffer.from('hi') }, '02000002 00000007 6869'],
  [{ type: 'data', id: 7, bytes: Buffer.from('abc') }, '03000003 00000007 616263'],
  [{ type: 'end', id: 7 }, '04000000 00000007'],
  [{ type: 'refuse', id: MAX_ID, reason: 'not-found' }, '05000001 ffffffff 01'],
  [{ type: 'refuse', id: 7, reason: 'unavailable' }, '05000001 00000007 02'],
  [{ type: 'refuse', id: 7, reason: 'cancelled' }, '05000001 00000007 03'],
  [{ type: 'cancel', id: 7 }, '06000000 00000007'],
  [{ type: 'bye', id: 0 }, '07000000 00000000'],
  [{ type: 'note', id: 0, word: Buffer.from('hi') }, '08000002 00000000 6869'],
  [{ type: 'ask', id: 7, word: Buffer.from('hi') }, '09000002 00000007 6869'],
  [{ type: 'reply', id: 7, word: Buffer.from('hi') }, '0a000002 00000007 6869'],
];

for (const [frame, hex] of WIRE) {
  test(`a ${frame.type} frame is ${hex.slice(0, 20)}… on the wire`, (t) => {
    t.is(encodeFrame(frame).toString('hex'), hex.replaceAll(' ', ''));
  });
}

const digest = fc.constantFrom(SHA256, SHA512);
const id = fc.integer({ min: 0, max: MAX_ID });
const note = fc.uint8Array({ maxLength: MAX_NOTE_BYTES });
const data = fc.uint8Array({ minLength: 1, maxLength: 3000 });
const range = fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), id, version: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ type: fc.constant('request' as const), id, blob: digest, range }),
  fc.record({ type: fc.constant('answer' as const), id, note }),
  fc.record({ type: fc.constant('data' as const), id, bytes: data }),
  fc.record({
    type: fc.constantFrom('note' as const, 'ask' as const, 'reply' as const),
    id,
    word: fc.uint8Array({ minLength: 1, maxLength: 3000 }),
  }),
  fc.record({ type: fc.constantFrom('end' as const, 'cancel' as const, 'bye' as const), id }),
  fc.record({
    type: fc.constant('refuse' as const),
    id,
    reason: fc.constantFrom('not-found' as const, 'unavailable' as const, 'cancelled' as const),
  }),
);

test('frames cross whatever chunks they arrive in, and data is put together again', (t) => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      (frames, sizes, compact) => {
        const parser = new FrameParser();
        const parsed: Frame[] = [];
        const wire = Buffer.concat(frames.map((frame) => encodeFrame(frame)));
        for (let at = 0, i = 0; at < wire.length; i++) {
          // Memory that is overwritten after the call, as a transport does with its buffer.
          const chunk = Uint8Array.from(wire.subarray(at, at + sizes[i % sizes.length]!));
          at += chunk.length;
          parser.push(chunk);
          for (let next = parser.next(); next !== undefined; next = parser.next()) parsed.push(own(next));
          if (!compact) continue;
          parser.compact();
          chunk.fill(0xee);
        }
        t.is(parser.buffered, 0);
        t.deepEqual(joinData(parsed), joinData(frames.map((frame) => own(frame))));
      },
    ),
    { numRuns: 300 },
  );
});

test('arbitrary bytes give frames or peer-misbehaved, and nothing else', (t) => {
  const header = fc
    .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 200 }), id, fc.uint8Array({ maxLength: 300 }))
    .map(([type, length, id, payload]) => Buffer.concat([Uint8Array.of(type, 0, 0, length, id >>> 24, id >>> 16, id >>> 8, id), payload]));
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 100 }),
          header,
          frame.map((frame) => encodeFrame(frame)),
        ),
        { maxLength: 8 },
      ),
      (parts) => {
        const parser = new FrameParser();
        for (const part of parts) parser.push(Uint8Array.from(part));
        try {
          let frames = 0;
          while (parser.next() !== undefined) frames += 1;
          t.true(frames <= parts.reduce((sum, part) => sum + part.length, 0));
        } catch (error) {
          t.true(error instanceof LayerswarmError && error.code === 'peer-misbehaved', String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('what is buffered is what was pushed and not taken', (t) => {
  const parser = new FrameParser();
  const wire = encodeFrame({ type: 'answer', id: 1, note: Buffer.alloc(100) });
  parser.push(wire.subarray(0, 50));
  t.is(parser.next(), undefined);
  t.is(parser.buffered, 42);
  parser.push(wire.subarray(50));
  t.is(parser.next()?.type, 'answer');
  t.is(parser.buffered, 0);
});

const MALFORMED: Readonly<Record<string, string>> = {
  'an unknown type': '0b000000 00000000',
  'a word of no bytes': '08000000 00000000',
  'a note over 64 KiB': '08010001 00000000',
  'data without a byte': '03000000 00000000',
  'data over 128 KiB': '03020001 00000000',
  'a note over 16 KiB': '02004001 00000000',
  'an end with a payload': '04000001 00000000 00',
  'a digest of an unknown algorithm': `01000031 00000000 03 ${'00'.repeat(48)}`,
  'a request cut short for its digest': `01000031 00000000 02 ${'00'.repeat(48)}`,
  'bytes behind a request': `01000032 00000000 01 ${'00'.repeat(49)}`,
  'a range that ends before it starts': `01000031 00000000 01 ${'00'.repeat(32)} 0000000000000001 0000000000000000`,
  'a range over 2^53': `01000031 00000000 01 ${'00'.repeat(32)} 0000000000000000 0020000000000000`,
  'an unknown reason': '05000001 00000000 04',
};
for (const [what, hex] of Object.entries(MALFORMED)) {
  test(`${what} is refused`, (t) => {
    const parser = new FrameParser();
    parser.push(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    t.throws(() => parser.next(), { instanceOf: LayerswarmError, code: 'peer-misbehaved' });
  });
}

test('no frame is made that no peer would take', (t) => {
  t.throws(() => encodeHeader('data', 0, MAX_DATA_BYTES + 1), { code: 'too-large' });
  t.throws(() => encodeFrame({ type: 'answer', id: 0, note: new Uint8Array(MAX_NOTE_BYTES + 1) }), { code: 'too-large' });
});

function own(frame: Frame): Frame {
  if ('bytes' in frame) return { ...frame, bytes: Uint8Array.from(frame.bytes) };
  if ('word' in frame) return { ...frame, word: Uint8Array.from(frame.word) };
  if ('note' in frame) return { ...frame, note: Uint8Array.from(frame.note) };
  return frame;
}

/** Neighbouring data of one id as one frame. */
function joinData(frames: readonly Frame[]): Frame[] {
  const joined: Frame[] = [];
  for (const frame of frames) {
    const last = joined.at(-1);
    if ('bytes' in frame && last !== undefined && 'bytes' in last && last.type === frame.type && last.id === frame.id) {
      joined[joined.length - 1] = { ...last, bytes: Uint8Array.from([...last.bytes, ...frame.bytes]) };
    } else {
      joined.push(frame);
    }
  }
  return joined;
}
