import test from 'ava';
import { Semaphore } from '../../../src/async/semaphore.ts';

test('permits go round in the order of arrival, and an aborted wait leaves none behind', async (t) => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  const release = await semaphore.acquire();
  const first = semaphore.acquire().then((free) => {
    order.push('first');
    return free;
  });
  const controller = new AbortController();
  const aborted = t.throwsAsync(semaphore.acquire(controller.signal));
  const last = semaphore.acquire().then((free) => {
    order.push('last');
    return free;
  });
  controller.abort();
  await aborted;
  release();
  release();
  (await first)();
  (await last)();
  t.deepEqual(order, ['first', 'last']);
  (await semaphore.acquire())();
});
