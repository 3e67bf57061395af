import test from 'ava';
import { mergeHours } from '../../../../src/agent/swarm-view/merge-hours.ts';

test('hours of clocks that differ a little lie on top of each other', (t) => {
  const hour = mergeHours([
    { minute: 100, origin: [1, 2], peers: [0, 0] },
    { minute: 99, origin: [10], peers: [5] },
    { minute: 7000, origin: [100], peers: [0] },
  ]);
  t.deepEqual(hour.origin.slice(-2), [11, 102]);
  t.deepEqual(hour.peers.slice(-2), [5, 0]);
});
