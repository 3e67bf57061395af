import test from 'ava';
import { ArrivalRate } from '../../../../../src/swarm/exchange/core/arrival-rate.ts';

test('there is a rate when the first window is over, and from the first piece on without a beginning', (t) => {
  const rate = new ArrivalRate({ windowMs: 200 });
  rate.add(100, 5000);
  t.is(rate.bytesPerSecond, 0);
  rate.add(100, 5200);
  t.is(rate.bytesPerSecond, 1000);
});

test('with a beginning the wait for the first piece counts', (t) => {
  const rate = new ArrivalRate({ windowMs: 2000, firstWindowMs: 500, since: 0 });
  rate.add(100, 400);
  t.is(rate.bytesPerSecond, 0);
  rate.add(100, 500);
  t.is(rate.bytesPerSecond, 400);
});

test('later windows have their own length, and pauses count', (t) => {
  const rate = new ArrivalRate({ windowMs: 2000, firstWindowMs: 500, since: 0 });
  rate.add(500, 500);
  t.is(rate.bytesPerSecond, 1000);
  for (let now = 600; now < 1000; now += 100) rate.add(1000, now);
  t.is(rate.bytesPerSecond, 1000);
  rate.add(1000, 5500);
  t.is(rate.bytesPerSecond, 1000);
  rate.add(20_000, 7500);
  t.is(rate.bytesPerSecond, 5500);
});
