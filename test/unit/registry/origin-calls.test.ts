import test from 'ava';
import { errorCode, LayerswarmError } from '../../../src/errors.ts';
import type { OriginHealth } from '../../../src/origin/origin.ts';
import { OriginCalls } from '../../../src/registry/images/origin-calls.ts';
import { MemoryOrigin } from '../../support/memory-origin.ts';

const DOWN = new LayerswarmError('origin-unreachable', 'down');

function setUp(timeoutMs = 60_000): { calls: OriginCalls; clock: { now: number }; origin: MemoryOrigin } {
  const clock = { now: 1_000_000 };
  const origin = new MemoryOrigin();
  return {
    origin,
    clock,
    calls: new OriginCalls({ origin: () => origin, now: () => clock.now, timeoutMs, quietMs: 5_000, trustMs: 30_000 }),
  };
}

test('after a failure the origin is left alone for a while, and then asked again', async (t) => {
  const { calls, clock } = setUp();
  let asked = 0;
  const failing = (): Promise<never> => {
    asked++;
    return Promise.reject(DOWN);
  };
  t.is(await t.throwsAsync(calls.ask(failing)), DOWN);
  clock.now += 4_999;
  t.is(await t.throwsAsync(calls.ask(failing)), DOWN);
  t.is(asked, 1);
  clock.now += 1;
  await t.throwsAsync(calls.ask(failing));
  t.is(asked, 2);
});

test('an answer that something is not there is an answer', async (t) => {
  const { calls, origin } = setUp();
  await t.throwsAsync(calls.ask(() => Promise.reject(new LayerswarmError('not-found', 'no'))));
  origin.down = true;
  t.true(await calls.reachable(AbortSignal.timeout(60_000)), 'known from the answer, without a probe');
  t.is(await calls.ask(() => Promise.resolve(1)), 1);
});

test('a call that hangs ends with its time-out', async (t) => {
  const { calls } = setUp(20);
  // the timer of a signal does not keep a process alive, and here nothing else does
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(alive));
  const error = await t.throwsAsync(calls.ask(() => Promise.withResolvers<never>().promise));
  t.is(errorCode(error), 'timeout');
  t.is(await calls.reachable(AbortSignal.timeout(60_000)), false);
});

test('whether the origin is there is probed where nothing was asked lately, once for all', async (t) => {
  const { calls, origin, clock } = setUp();
  let probes = 0;
  origin.probe = (): Promise<OriginHealth> => {
    probes++;
    return Promise.resolve(origin.health);
  };
  const { signal } = new AbortController();
  t.deepEqual(await Promise.all([calls.reachable(signal), calls.reachable(signal)]), [true, true]);
  t.true(await calls.reachable(signal));
  t.is(probes, 1);
  origin.down = true;
  clock.now += 30_000;
  t.false(await calls.reachable(signal));
  t.false(await calls.reachable(signal));
  t.is(probes, 2);
});

test('without an origin nothing is reachable', async (t) => {
  const calls = new OriginCalls({ origin: () => undefined, now: () => 0, timeoutMs: 1, quietMs: 1, trustMs: 1 });
  t.false(await calls.reachable(new AbortController().signal));
  t.is(errorCode(await t.throwsAsync(calls.ask(() => Promise.resolve(1)))), 'origin-unknown');
});
