import test from 'ava';
import { BoundedMap } from '../../src/bounded-map.ts';

test('the key whose setting lies back the longest is forgotten', (t) => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1).set('b', 2).set('a', 3).set('c', 4);
  t.deepEqual(
    [...map],
    [
      ['a', 3],
      ['c', 4],
    ],
  );
  map.delete('a');
  t.deepEqual(
    [...map.set('d', 5)],
    [
      ['c', 4],
      ['d', 5],
    ],
  );
});
