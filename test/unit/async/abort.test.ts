import test from 'ava';
import { getEventListeners } from 'node:events';
import { onAbort, unlessAborted } from '../../../src/async/abort.ts';

test('a listener is called once, also of a signal that was aborted before, and not after its end', (t) => {
  let calls = 0;
  const count = (): void => {
    calls += 1;
  };
  onAbort(AbortSignal.abort(), count);
  t.is(calls, 1);
  const controller = new AbortController();
  {
    using _ = onAbort(controller.signal, count);
    t.is(getEventListeners(controller.signal, 'abort').length, 1);
  }
  t.is(getEventListeners(controller.signal, 'abort').length, 0);
  controller.abort();
  t.is(calls, 1);
  onAbort(undefined, count)[Symbol.dispose]();
  t.is(calls, 1);
});

test('work is waited for until the signal ends the wait, and no listener stays', async (t) => {
  const controller = new AbortController();
  t.is(await unlessAborted(Promise.resolve(1), controller.signal), 1);
  t.is(await unlessAborted(Promise.resolve(2), undefined), 2);
  const never = new Promise<void>(() => undefined);
  const waiting = unlessAborted(never, controller.signal);
  const explained = unlessAborted(never, controller.signal, ({ reason }) => new RangeError('given up', { cause: reason }));
  controller.abort(new TypeError('enough'));
  await t.throwsAsync(waiting, { instanceOf: TypeError, message: 'enough' });
  await t.throwsAsync(explained, { instanceOf: RangeError, message: 'given up' });
  t.is(getEventListeners(controller.signal, 'abort').length, 0);
  const failing = Promise.reject(new SyntaxError('too late'));
  await t.throwsAsync(unlessAborted(failing, AbortSignal.abort()), { instanceOf: Error });
});
