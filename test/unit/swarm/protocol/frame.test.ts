import test from 'ava';
import { encode } from 'cborg';
import * as fc from 'fast-check';
import { LayerswarmError, type ErrorCode } from '../../../../src/errors.ts';
import { decodeFrame, encodeFrame, MAX_FRAME_BYTES, type Frame, type FrameKind } from '../../../../src/swarm/protocol/frame.ts';
import type { Message } from '../../../../src/swarm/protocol/message.ts';
import { fromWireError, toWireError } from '../../../../src/swarm/protocol/wire-error.ts';

const blob = `sha256:${'ab'.repeat(32)}`;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const wireForms: [frame: Frame, hex: string][] = [
  [{ kind: 'note', id: 0, message: { type: 'ping' } }, '830000a164747970656470696e67'],
  [{ kind: 'request', id: 24, message: { type: 'get-peers' } }, '83011818a16474797065696765742d7065657273'],
  [{ kind: 'answer', id: 65_536, message: { type: 'ok' } }, '83021a00010000a16474797065626f6b'],
  [
    { kind: 'answer', id: 1, message: { type: 'blob-size', size: 2 ** 40 } },
    '830201a26473697a651b0000010000000000647479706569626c6f622d73697a65',
  ],
];
for (const [frame, expected] of wireForms) {
  test(`the wire form of a ${frame.kind} "${frame.message.type}" stays as it is`, (t) => {
    t.is(hex(encodeFrame(frame)), expected);
    t.deepEqual(decodeFrame(Buffer.from(expected, 'hex')), frame);
  });
}

const messages: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant('join' as const),
    wants: fc.boolean(),
    holding: fc.record({
      blob: fc.constant(blob),
      state: fc.constantFrom('none' as const, 'partial' as const, 'complete' as const),
      bits: fc.uint8Array({ maxLength: 2048 }),
    }),
  }),
  fc.record({
    type: fc.constant('peers' as const),
    addresses: fc.array(fc.string({ maxLength: 64, unit: 'grapheme' }), { maxLength: 128 }),
  }),
  fc.record({ type: fc.constant('error' as const), code: fc.string({ maxLength: 50 }), message: fc.string({ maxLength: 500 }) }),
);
test('every valid message survives the way', (t) => {
  fc.assert(
    fc.property(fc.constantFrom<FrameKind>('note', 'request', 'answer'), fc.nat(0xffff_ffff), messages, (kind, id, message) => {
      t.deepEqual(decodeFrame(encodeFrame({ kind, id, message })), { kind, id, message });
    }),
  );
});

test('any bytes are a frame or misbehaviour, and nothing else', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        decodeFrame(bytes);
      } catch (error) {
        t.true(error instanceof LayerswarmError && error.code === 'peer-misbehaved');
      }
    }),
  );
  t.pass();
});

test('unknown keys are ignored, so that later versions can add', (t) => {
  t.deepEqual(decodeFrame(encode([0, 0, { type: 'ping', later: { x: 1 } }])).message, { type: 'ping' });
});

test('a type that a later version adds is no fault; what only looks like a message is one', (t) => {
  t.deepEqual(decodeFrame(encode([1, 9, { type: 'reboot', x: 1 }])), { kind: 'request', id: 9, message: undefined });
  for (const body of [{ type: '' }, { type: 'x'.repeat(51) }, { type: 'No Type' }, { type: 5 }, {}, 'reboot', { type: '__proto__' }]) {
    t.throws(() => decodeFrame(encode([0, 0, body])), { code: 'peer-misbehaved' }, JSON.stringify(body));
  }
});

test('a key that pollutes prototypes stays a key that is ignored', (t) => {
  const body = Buffer.concat([
    Buffer.from([0x83, 0, 0, 0xa2]),
    encode('type'),
    encode('ping'),
    encode('__proto__'),
    encode({ polluted: true }),
  ]);
  const { message } = decodeFrame(body);
  t.deepEqual(message, { type: 'ping' });
  t.false('polluted' in (message ?? {}));
});

test('a value that is undefined is not sent', (t) => {
  t.deepEqual(decodeFrame(encodeFrame({ kind: 'note', id: 0, message: { type: 'origin-changed', origin: undefined } })).message, {
    type: 'origin-changed',
  });
});

test('a note is encoded once for all that get it', (t) => {
  const message: Message = { type: 'leave', blob, complete: true };
  t.is(encodeFrame({ kind: 'note', id: 0, message }), encodeFrame({ kind: 'note', id: 0, message }));
  t.not(hex(encodeFrame({ kind: 'request', id: 1, message })), hex(encodeFrame({ kind: 'note', id: 0, message })));
});

test('the longest manifest fits into a frame, and a longer message is refused', (t) => {
  const manifest = (bytes: number): Frame => ({
    kind: 'answer',
    id: 1,
    message: { type: 'manifest', digest: blob, mediaType: 'm'.repeat(255), bytes: Buffer.alloc(bytes) },
  });
  t.true(encodeFrame(manifest(4 << 20)).length <= MAX_FRAME_BYTES);
  t.throws(() => encodeFrame(manifest(5 << 20)), { code: 'too-large' });
  t.throws(() => decodeFrame(Buffer.alloc(MAX_FRAME_BYTES + 1)), { code: 'peer-misbehaved' });
});

const crossing: [thrown: Error, code: ErrorCode, message: string][] = [
  [new LayerswarmError('not-found', 'no such tag'), 'not-found', 'no such tag'],
  [new LayerswarmError('origin-rate-limited', 'later'), 'origin-rate-limited', 'later'],
  [new LayerswarmError('disk-full', 'its own disk'), 'unavailable', 'its own disk'],
  [new LayerswarmError('store-locked', 'in use'), 'unavailable', 'in use'],
  [new Error('token=secret'), 'unavailable', 'the peer failed to answer'],
];
for (const [thrown, code, message] of crossing) {
  test(`"${thrown.message}" crosses as ${code}`, (t) => {
    const answer = toWireError(thrown);
    t.like(answer, { code, message });
    const back = fromWireError('12D3', answer);
    t.is(back.code, code);
    t.is(back.message, `peer 12D3: ${message}`);
  });
}

test('a peer can neither invent codes nor write into terminals', (t) => {
  const error = fromWireError('12D3', { type: 'error', code: 'store-locked', message: `\u001b[31mred\n${'x'.repeat(490)}` });
  t.is(error.code, 'unavailable');
  t.regex(error.message, /^peer 12D3: {2}\[31mred x+$/);
  t.true(error.message.length < 420);
});
