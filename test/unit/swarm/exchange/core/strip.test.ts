import test from 'ava';
import { CELL, makeStrip, STRIP_CELLS, type PieceSource } from '../../../../../src/swarm/exchange/core/strip.ts';

test('each cell tells of the piece in the middle of its part', (t) => {
  const sourceOf = (piece: number): PieceSource =>
    piece < 250 ? { peer: undefined } : piece < 500 ? { peer: 'b' } : piece < 750 ? 'here' : 'missing';
  const strip = makeStrip(1000, sourceOf, ['a', 'b']);
  t.is(strip.length, STRIP_CELLS);
  t.deepEqual(
    [...strip],
    [CELL.origin, CELL.firstPeer + 1, CELL.here, CELL.missing].flatMap((cell) => Array.from({ length: STRIP_CELLS / 4 }, () => cell)),
  );
});

test('as many cells are filled as pieces have come, also where they come in no order', (t) => {
  const strip = makeStrip(16_384, (piece) => ((piece * 7919) % 16_384 < 16_384 * 0.3 ? { peer: 'a' } : 'missing'), ['a']);
  const filled = strip.filter((cell) => cell === CELL.firstPeer).length;
  t.true(filled >= 10 && filled <= 19, String(filled));
});

test('few pieces fill several cells each, and more peers than there are codes are others', (t) => {
  t.deepEqual([...new Set(makeStrip(1, () => ({ peer: 'a' }), ['a']))], [CELL.firstPeer]);
  const many = Array.from({ length: 400 }, (_, index) => `p${index}`);
  t.deepEqual([...new Set(makeStrip(48, (piece) => ({ peer: `p${piece + 240}` }), many))].slice(-2), [CELL.otherPeer - 1, CELL.otherPeer]);
  t.deepEqual([...new Set(makeStrip(48, () => ({ peer: 'gone' }), []))], [CELL.otherPeer]);
});
