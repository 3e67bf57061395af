import test from 'ava';
import { RangeDoubts } from '../../../../../src/swarm/exchange/core/range-doubts.ts';

const NONE: ReadonlySet<string> = new Set();

test('whoever brought most of a wrong range is doubted', (t) => {
  t.deepEqual(new RangeDoubts().next(3, ['a', 'b', 'b'], NONE), { doubted: 'b', cleared: undefined });
});

test('whoever was doubted for a range that is wrong without it as well is cleared', (t) => {
  const doubts = new RangeDoubts();
  doubts.next(3, ['a', 'b', 'b'], NONE);
  t.deepEqual(doubts.next(3, ['a', 'a', 'a'], NONE), { doubted: 'a', cleared: 'b' });
});

test('a range that is wrong by itself clears nobody of another, nor of what came from the same one again', (t) => {
  const doubts = new RangeDoubts();
  doubts.next(3, ['a', 'b', 'b'], NONE);
  t.deepEqual(doubts.next(3, ['b'], NONE), { doubted: 'b', cleared: undefined });
  t.deepEqual(doubts.next(4, ['a'], NONE), { doubted: 'a', cleared: undefined });
});

test('where nobody is known to have brought it nobody is doubted', (t) => {
  const doubts = new RangeDoubts();
  t.deepEqual(doubts.next(0, [], NONE), { doubted: undefined, cleared: undefined });
  doubts.next(0, ['a'], NONE);
  t.deepEqual(doubts.next(0, [], NONE), { doubted: undefined, cleared: 'a' });
});

test('a suspect is doubted before others, however little it brought', (t) => {
  t.deepEqual(new RangeDoubts().next(3, ['a', 'b', 'b'], new Set(['a'])), { doubted: 'a', cleared: undefined });
});

test('two whose bytes are wrong in turns do not clear each other for ever', (t) => {
  const doubts = new RangeDoubts();
  doubts.next(3, ['a', 'b', 'b'], NONE);
  t.is(doubts.next(3, ['a'], NONE).cleared, 'b');
  t.deepEqual(doubts.next(3, ['b'], NONE), { doubted: 'b', cleared: undefined });
  t.is(doubts.next(3, ['a'], NONE).cleared, undefined);
});
