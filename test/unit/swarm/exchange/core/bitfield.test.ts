import test from 'ava';
import * as fc from 'fast-check';
import { Bitfield, runsOf } from '../../../../../src/swarm/exchange/core/bitfield.ts';

test('a bitfield survives the wire, and counts what is set', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.array(fc.nat(299)), (length, pieces) => {
      const bits = new Bitfield(length);
      const set = new Set(pieces.filter((piece) => piece < length));
      for (const piece of set) t.true(bits.set(piece));
      for (const piece of pieces) t.false(bits.set(piece), 'a piece that is set, or beyond the end, is not news');
      const again = Bitfield.fromBytes(bits.toBytes(), length);
      t.is(again.count, set.size);
      for (let piece = 0; piece < length; piece++) t.is(again.has(piece), set.has(piece));
      t.deepEqual(again.runs(), runsOf(set));
    }),
    { numRuns: 50 },
  );
});

const MISFITS: [string, Uint8Array, number][] = [
  ['too short', new Uint8Array(1), 9],
  ['too long', new Uint8Array(3), 9],
  ['a spare bit set', Uint8Array.of(0xff, 0xc0), 9],
  ['nothing for pieces', new Uint8Array(), 1],
];

for (const [name, bytes, length] of MISFITS) {
  test(`bytes that do not fit are refused: ${name}`, (t) => {
    t.throws(() => Bitfield.fromBytes(bytes, length), { code: 'peer-misbehaved' });
  });
}

test('pieces beyond the end are not set', (t) => {
  const bits = new Bitfield(5);
  t.false(bits.set(5));
  t.false(bits.set(-1));
  bits.setRun(3, 1000);
  t.deepEqual(bits.runs(), [[3, 2]]);
  t.true(Bitfield.full(5).isFull);
});
