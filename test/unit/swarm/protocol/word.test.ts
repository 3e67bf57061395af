import test from 'ava';
import * as fc from 'fast-check';
import { LayerswarmError } from '../../../../src/errors.ts';
import { decodeWord, encodeWord, MAX_REPLY_BYTES, MAX_WORD_BYTES, type Word } from '../../../../src/swarm/protocol/word.ts';

const blob = `sha256:${'ab'.repeat(32)}`;
const blob512 = `sha512:${'cd'.repeat(64)}`;
const raw = `00${'ab'.repeat(32)}`;
const raw512 = `01${'cd'.repeat(64)}`;

const wireForms: readonly (readonly [Word, string])[] = [
  [{ type: 'ok' }, '00'],
  [{ type: 'error', code: 'not-found', message: 'no' }, '01 0009 6e6f742d666f756e64 0002 6e6f'],
  [
    {
      type: 'have',
      blob,
      forZone: true,
      runs: [
        [3, 1],
        [16_000, 384],
      ],
    },
    `02 ${raw} 01 0002 0003 0001 3e80 0180`,
  ],
  [
    {
      type: 'lease-request',
      blob,
      size: 1 << 30,
      pieceLength: 1 << 20,
      pieces: 4,
      insists: true,
      ranges: 'ignored',
      bits: Buffer.of(0x80, 0),
      active: [[0, 2]],
    },
    `03 ${raw} 000040000000 00100000 0004 0101 0101 000002 8000 0001 0000 0002`,
  ],
  [{ type: 'lease-grant', blob: blob512, extents: [{ id: 7, first: 1, count: 2 }] }, `04 ${raw512} 0001 000000000007 0001 0002 00 00`],
  [{ type: 'lease-grant', blob, extents: [], waitMs: 250, redirect: 'peer' }, `04 ${raw} 0000 01 00fa 01 0004 70656572`],
  [{ type: 'lease-report', blob, id: 7, outcome: 'released', done: [] }, `05 ${raw} 000000000007 02 0000`],
  [{ type: 'get-list', blob }, `06 ${raw}`],
  [
    { type: 'list', blob, size: 5, checkpointLength: 1 << 20, signature: Buffer.alloc(64, 1), digests: Buffer.of(9) },
    `07 ${raw} 000000000005 00100000 ${'01'.repeat(64)} 000001 09`,
  ],
  [{ type: 'dispute', blob, runs: [[1, 1]] }, `08 ${raw} 0001 0001 0001`],
  [{ type: 'statements', blob, statements: [Buffer.of(1, 2)] }, `09 ${raw} 0001 000002 0102`],
  [{ type: 'find', blobs: [blob, blob512], inline: true, pull: '0123456789ab' }, `0a 0002 ${raw} ${raw512} 01 01 0123456789ab`],
  [
    { type: 'found', holdings: [{ blob, state: 'complete', size: 2, pieceLength: 1 << 16, inline: Buffer.of(7, 8) }] },
    `0b 0001 ${raw} 02 01 000000000002 01 00010000 00 01 000002 0708`,
  ],
  [
    { type: 'join', holding: { blob, state: 'partial', size: 1 << 20, pieceLength: 1 << 16, bits: Buffer.of(0x80, 0) }, wants: true },
    `0c ${raw} 01 01 000000100000 01 00010000 01 000002 8000 00 01 00`,
  ],
  [{ type: 'joined', holding: { blob, state: 'none' }, wants: false }, `0d ${raw} 00 00 00 00 00 00`],
  [{ type: 'leave', blob, complete: true }, `0e ${raw} 01`],
];
for (const [word, hex] of wireForms) {
  test(`the wire form of "${word.type}" ${hex.length} stays as it is`, (t) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    t.is(Buffer.from(encodeWord(word)).toString('hex'), bytes.toString('hex'));
    t.is(JSON.stringify(plain(decodeWord(bytes))), JSON.stringify(plain(word)));
  });
}

const piece = fc.nat(16_384);
const runs = fc.array(fc.tuple(piece, piece), { maxLength: 200 });
const bytes = fc.uint8Array({ maxLength: 512 });
const words: fc.Arbitrary<Word> = fc.oneof(
  fc.record({ type: fc.constant('have' as const), blob: fc.constantFrom(blob, blob512), forZone: fc.boolean(), runs }),
  fc.record({
    type: fc.constant('lease-report' as const),
    blob: fc.constant(blob),
    id: fc.nat(2 ** 40),
    outcome: fc.constantFrom('done' as const, 'failed' as const, 'released' as const),
    done: runs,
  }),
  fc.record({ type: fc.constant('statements' as const), blob: fc.constant(blob), statements: fc.array(bytes, { maxLength: 20 }) }),
  fc.record({
    type: fc.constant('found' as const),
    holdings: fc.array(
      fc.record(
        {
          blob: fc.constant(blob),
          state: fc.constantFrom('none' as const, 'partial' as const, 'complete' as const),
          bits: bytes,
          inline: bytes,
        },
        { requiredKeys: ['blob', 'state'] },
      ),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    type: fc.constant('error' as const),
    code: fc.string({ maxLength: 50 }),
    message: fc.string({ maxLength: 400, unit: 'grapheme' }),
  }),
);
test('every word survives the way', (t) => {
  fc.assert(
    fc.property(words, (word) => {
      t.deepEqual(plain(decodeWord(encodeWord(word))), plain(word));
    }),
  );
});

test('any bytes are a word or misbehaviour, and nothing else', (t) => {
  const spoilt = fc.tuple(words, fc.nat(), fc.nat(255)).map(([word, at, byte]) => {
    const encoded = Buffer.from(encodeWord(word));
    encoded[at % encoded.length] = byte;
    return encoded;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), spoilt), (wire) => {
      try {
        decodeWord(wire);
      } catch (error) {
        t.true(error instanceof LayerswarmError && error.code === 'peer-misbehaved');
      }
    }),
  );
  t.pass();
});

const hostile: Readonly<Record<string, string>> = {
  nothing: '',
  'an unknown word': 'ff',
  'a search for nothing': '0a 0000 01 00',
  'an unknown algorithm': `06 02${'ab'.repeat(32)}`,
  'half a digest': `06 00${'ab'.repeat(16)}`,
  'a byte too many': `06 ${raw} 00`,
  'a flag that is neither': `02 ${raw} 02 0000`,
  'more runs than there may be': `02 ${raw} 00 1001 ${'00000001'.repeat(4097)}`,
  'runs that do not come': `02 ${raw} 00 0fff`,
  'a piece beyond any blob': `02 ${raw} 00 0001 4001 0001`,
  'a lease on no piece': `03 ${raw} 000040000000 00100000 0000 00 000000 0000`,
  'pieces of 1 byte': `03 ${raw} 000040000000 00000001 0001 00 000000 0000`,
  'a bitfield beyond any blob': `03 ${raw} 000040000000 00100000 0001 00 000801 ${'00'.repeat(2049)} 0000`,
  'text that is no UTF-8': '01 0001 ff 0000',
  'more blobs than anybody may ask for': `0a 0041 ${raw.repeat(65)} 00`,
  'a state that is none': `0d ${raw} 03 00 00 00 00 00`,
  'a whole blob that is not small': `0b 0001 ${raw} 02 00 00 00 01 020001 ${'00'.repeat(0x020001)}`,
  'an outcome that is none': `05 ${raw} 000000000007 03 0000`,
};
for (const [what, hex] of Object.entries(hostile)) {
  test(`${what} is misbehaviour`, (t) => {
    t.throws(() => decodeWord(Buffer.from(hex.replaceAll(' ', ''), 'hex')), { code: 'peer-misbehaved' });
  });
}

test('the longest news fits into what anybody may say, and the longest list into an answer', (t) => {
  const all = Array.from({ length: 4096 }, (): [number, number] => [1, 1]);
  t.true(
    encodeWord({
      type: 'lease-request',
      blob: blob512,
      size: 2 ** 47,
      pieceLength: 1 << 30,
      pieces: 1,
      insists: true,
      bits: Buffer.alloc(2048),
      active: all,
    }).length <= MAX_WORD_BYTES,
  );
  const list = (length: number): Word => ({
    type: 'list',
    blob: blob512,
    size: 2 ** 47,
    checkpointLength: 1 << 20,
    signature: Buffer.alloc(64),
    digests: Buffer.alloc(length),
  });
  t.true(encodeWord(list(1 << 20)).length <= MAX_REPLY_BYTES);
  t.throws(() => encodeWord(list(2 << 20)), { code: 'too-large' });
});

test('news is encoded once for all that get it', (t) => {
  const word: Word = { type: 'have', blob, runs: [[1, 2]], forZone: false };
  t.is(encodeWord(word), encodeWord(word));
});

/** Comparable whatever class its bytes have, and in whichever order its fields stand. */
function plain(word: Word): unknown {
  const sorted = Object.entries(word).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.parse(
    JSON.stringify(Object.fromEntries(sorted), (_, value: unknown) =>
      value instanceof Uint8Array ? [...value] : isJsonBuffer(value) ? value.data : value,
    ),
  );
}

function isJsonBuffer(value: unknown): value is { readonly data: number[] } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
