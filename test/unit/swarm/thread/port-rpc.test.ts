import { MessageChannel } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import { PortRpc } from '../../../../src/swarm/thread/port-rpc.ts';

interface Server {
  double: { readonly params: number; readonly result: number };
  fail: { readonly params: 'known' | 'unknown'; readonly result: undefined };
  wait: { readonly params: undefined; readonly result: string };
  note: { readonly params: number; readonly result: void };
  list: { readonly params: number[]; readonly result: void };
}
interface Nothing {
  readonly nothing?: never;
}

function pair(t: ExecutionContext): { client: PortRpc<Nothing, Server>; notes: number[]; lists: number[][] } {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => {
    port1.close();
  });
  const notes: number[] = [];
  const lists: number[][] = [];
  const server = new PortRpc<Server, Nothing>(port1, {
    double: (value) => value * 2,
    fail: async (kind) =>
      await Promise.reject(
        kind === 'known' ? new LayerswarmError('disk-full', 'no space', { cause: new Error('ENOSPC') }) : new Error('oops'),
      ),
    wait: async (_params, signal) =>
      await new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve('aborted');
        });
      }),
    note: (value) => {
      notes.push(value);
    },
    list: (values) => {
      lists.push(values);
    },
  });
  t.truthy(server);
  return { client: new PortRpc<Nothing, Server>(port2, {}), notes, lists };
}

test('calls are answered, and notes come before the calls that follow them', async (t) => {
  const { client, notes } = pair(t);
  for (let i = 0; i < 100; i++) client.notify('note', i);
  t.deepEqual(await Promise.all([client.call('double', 4), client.call('double', 5)]), [8, 10]);
  t.deepEqual(
    notes,
    Array.from({ length: 100 }, (_, i) => i),
  );
});

test('a note arrives by itself too', async (t) => {
  const { client, notes } = pair(t);
  await client.call('double', 1);
  client.notify('note', 1);
  client.notify('note', 2);
  while (notes.length < 2)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  t.deepEqual(notes, [1, 2]);
});

test('a note joins one of its kind that waits, not over another one', async (t) => {
  const { client, lists, notes } = pair(t);
  const add = (value: number): void => {
    client.notify('list', [value], (waiting) => waiting.push(value) > 0);
  };
  add(1);
  add(2);
  client.notify('note', 0);
  add(3);
  await client.call('double', 1);
  t.deepEqual(lists, [[1, 2], [3]]);
  t.deepEqual(notes, [0]);
  add(4);
  await client.call('double', 1);
  t.deepEqual(lists, [[1, 2], [3], [4]]);
});

test('errors keep their code, and say their cause', async (t) => {
  const { client } = pair(t);
  await t.throwsAsync(client.call('fail', 'known'), { instanceOf: LayerswarmError, code: 'disk-full', message: 'no space (ENOSPC)' });
  await t.throwsAsync(client.call('fail', 'unknown'), { instanceOf: LayerswarmError, code: 'internal', message: 'oops' });
});

test('a signal reaches the other side, which decides', async (t) => {
  const { client } = pair(t);
  const controller = new AbortController();
  const waiting = client.call('wait', undefined, { signal: controller.signal });
  await client.call('double', 1);
  controller.abort();
  t.is(await waiting, 'aborted');
  t.is(await client.call('wait', undefined, { signal: AbortSignal.abort() }), 'aborted');
});

test('a closed line fails what is open and what comes', async (t) => {
  const { client } = pair(t);
  const waiting = client.call('wait', undefined);
  client.close(new LayerswarmError('peer-gone', 'the thread is gone'));
  await t.throwsAsync(waiting, { code: 'peer-gone' });
  await t.throwsAsync(client.call('double', 1), { code: 'peer-gone' });
  t.notThrows(() => {
    client.notify('note', 1);
  });
});
