import test from 'ava';
import { every } from '../../../src/agent/schedule.ts';
import { waitFor } from '../../support/wait-for.ts';

test('who asks while it runs gets one more run, of what is so by then', async (t) => {
  const begun: PromiseWithResolvers<void>[] = [];
  const repeated = every(3_600_000, 'now', async () => {
    const run = Promise.withResolvers<void>();
    begun.push(run);
    await run.promise;
  });
  repeated.run();
  repeated.run();
  t.is(begun.length, 1, 'never twice at the same time');
  begun[0]!.resolve();
  await waitFor('the second run', () => begun.length === 2);
  begun[1]!.resolve();
  await repeated[Symbol.asyncDispose]();
  t.is(begun.length, 2);
});
