import test from 'ava';
import { StopSteps } from '../../../src/agent/stop-steps.ts';

test('an agent that is being stopped says what it waits for', async (t) => {
  const steps = new StopSteps();
  t.is(steps.toString(), 'none');
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = steps.named('the network', () => promise)();
  t.regex(steps.toString(), /^the network \d\.\d s so far$/);
  resolve();
  await waiting;
  t.is(steps.toString(), 'none', 'what is short is not worth a word');
  await t.throwsAsync(steps.named('the store', () => Promise.reject(new Error('no room')))(), { message: 'no room' });
  t.is(steps.toString(), 'none');
});
