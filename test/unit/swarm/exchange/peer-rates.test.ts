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

test('what was cut short at once says nothing, and the origin is compared with, and not named', (t) => {
  const rates = new PeerRates(() => 0);
  rates.measured(undefined, 8 * MB, 1000, true);
  rates.measured('b', 1000, 1000, true);
  rates.measured('d', 0, 100, false);
  t.deepEqual(rates.slow(), [{ peerId: 'b', bytesPerSecond: 1000, othersBytesPerSecond: 8 * MB, until: 120_000 }]);
  rates.measured('b', 8 * MB, 1000, true);
  rates.measured(undefined, 1000, 60_000, true);
  t.deepEqual(rates.slow(), []);
});

test('of two the slower is slow where it gives little, and one alone where it gives very little', (t) => {
  const of = (...given: number[]): string[] => {
    const rates = new PeerRates(() => 0);
    for (const [index, bytes] of given.entries()) rates.measured('abc'[index], bytes, 1000, true);
    return rates.slow().map(({ peerId }) => peerId);
  };
  t.deepEqual(of(800 * MB, 20 * MB), []);
  t.deepEqual(of(800 * MB, 900 * MB, 20 * MB), ['c']);
  t.deepEqual(of(8 * MB, 500_000), ['b']);
  t.deepEqual(of(300_000, 100_000), []);
  t.deepEqual(of(100_000), []);
  t.deepEqual(of(50_000), ['a']);
});

test('requests at the same time are one rate', (t) => {
  let now = 1000;
  const rates = new PeerRates(() => now);
  for (let i = 0; i < 8; i++) rates.measured('a', 20_000, 1000, true);
  t.deepEqual(rates.slow(), []);
  const one = new PeerRates(() => now);
  for (let i = 0; i < 8; i++) {
    one.measured('a', 20_000, 1000, true);
    now += 1000;
  }
  t.is(one.slow()[0]!.bytesPerSecond, 20_000);
});

test('a member that has become fast again is slow no more', (t) => {
  const rates = new PeerRates(() => 0);
  for (const peer of ['a', 'b']) rates.measured(peer, 8 * MB, 1000, true);
  rates.measured('c', 1000, 1000, true);
  t.is(rates.slow().length, 1);
  for (let i = 0; i < 5; i++) rates.measured('c', 8 * MB, 1000, true);
  t.deepEqual(rates.slow(), []);
});
