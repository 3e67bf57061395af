import test from 'ava';
import { PeerRates } from '../../../../src/swarm/exchange/peer-rates.ts';

const MB = 1_000_000;

test('a member that gives far less than others is slow, until that is long ago', (t) => {
  let now = 0;
  const rates = new PeerRates(() => now);
  for (const peer of ['a', 'b', 'c']) rates.measured(peer, 8 * MB, 1000, true);
  rates.measured('slow', 200_000, 2000, false);
  t.deepEqual(rates.slow(), [{ peerId: 'slow', bytesPerSecond: 100_000, othersBytesPerSecond: 8 * MB, until: 120_000 }]);
  now = 120_001;
  t.deepEqual(rates.slow(), []);
});

test('of two nobody is the slow one, and what was cut short at once says nothing', (t) => {
  const rates = new PeerRates(() => 0);
  rates.measured('a', 8 * MB, 1000, true);
  rates.measured('b', 1000, 1000, true);
  t.deepEqual(rates.slow(), []);
  rates.measured('c', 8 * MB, 1000, true);
  rates.measured('d', 0, 100, false);
  t.deepEqual(
    rates.slow().map(({ peerId }) => peerId),
    ['b'],
  );
});

test('a member that has become fast again is slow no more', (t) => {
  const rates = new PeerRates(() => 0);
  for (const peer of ['a', 'b']) rates.measured(peer, 8 * MB, 1000, true);
  rates.measured('c', 1000, 1000, true);
  t.is(rates.slow().length, 1);
  for (let i = 0; i < 5; i++) rates.measured('c', 8 * MB, 1000, true);
  t.deepEqual(rates.slow(), []);
});
