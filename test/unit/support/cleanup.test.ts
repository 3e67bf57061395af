import test from 'ava';
import { setImmediate as turn } from 'node:timers/promises';
import { CleanupStack } from '../../support/cleanup.ts';

test('what was started last is undone first, and all of it is tried', async (t) => {
  const cleanup = new CleanupStack();
  const undone: string[] = [];
  cleanup.teardown(() => {
    undone.push('first');
  });
  cleanup.teardown(() => {
    throw new Error('cannot');
  });
  cleanup.teardown(async () => {
    await turn();
    undone.push('last');
  });
  const { errors } = await t.throwsAsync<AggregateError>(cleanup.undo(), { instanceOf: AggregateError });
  t.deepEqual([undone, (errors as Error[]).map(({ message }) => message)], [['last', 'first'], ['cannot']]);
});

test('what is started while all is undone, or after that, is undone at once', async (t) => {
  const cleanup = new CleanupStack();
  const undone: string[] = [];
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  cleanup.teardown(async () => {
    await held;
  });
  const undoing = cleanup.undo();
  cleanup.teardown(() => {
    undone.push('a program');
  });
  cleanup.teardown(async () => {
    await turn();
    undone.push('a mount');
    cleanup.teardown(() => {
      undone.push('a folder in it');
    });
  });
  await turn();
  t.true(undone.includes('a program'), 'nobody waits for what is undone already');
  release();
  await undoing;
  t.deepEqual(undone, ['a program', 'a mount', 'a folder in it'], 'and who undoes waits for it');

  cleanup.teardown(async () => {
    await turn();
    undone.push('a latecomer');
  });
  cleanup.teardown(() => {
    throw new Error('cannot');
  });
  await t.throwsAsync(cleanup.undo(), { instanceOf: AggregateError }, 'a failure is told to whoever undoes next');
  t.is(undone.at(-1), 'a latecomer');
});
