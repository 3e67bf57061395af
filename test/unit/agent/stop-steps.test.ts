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

test('a part that is disposed of with others is a step too', async (t) => {
  const steps = new StopSteps();
  const parts = new AsyncDisposableStack();
  const { promise, resolve } = Promise.withResolvers<void>();
  const part = { [Symbol.asyncDispose]: () => promise };
  t.is(steps.use(parts, 'the store', part), part);
  const disposed = parts.disposeAsync();
  t.regex(steps.toString(), /^the store \d\.\d s so far$/);
  resolve();
  await disposed;
  t.is(steps.toString(), 'none');
});

test('steps that are taken together are told together, and what fails keeps none of the others from being stopped', async (t) => {
  const steps = new StopSteps();
  const parts = new AsyncDisposableStack();
  const order: string[] = [];
  parts.defer(() => void order.push('the store'));
  const together = steps.together(parts);
  const [registry, keeping] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  together.defer('the registry endpoint', () => registry.promise);
  together.use('keeping', { [Symbol.asyncDispose]: () => keeping.promise });
  together.defer('seeding', () => order.push('seeding'));
  const disposed = parts.disposeAsync();
  t.regex(steps.toString(), /^the registry endpoint \d\.\d s so far, keeping \d\.\d s so far, seeding \d\.\d s so far$/);
  keeping.reject(new Error('no room'));
  await t.throwsAsync(keeping.promise);
  t.deepEqual(order, ['seeding']);
  registry.resolve();
  const error = await t.throwsAsync(disposed, { instanceOf: AggregateError });
  t.deepEqual(
    error?.errors.map((one: Error) => one.message),
    ['no room'],
  );
  t.deepEqual(order, ['seeding', 'the store']);
});
