import { once } from 'node:events';
import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { request } from 'node:http';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readAgentFile, removeAgentFile, writeAgentFile, type AgentFile } from '../../../src/control/agent-file.ts';
import { ControlClient } from '../../../src/control/control-client.ts';
import { ControlServer, type Handlers } from '../../../src/control/control-server.ts';
import type { PullProgress } from '../../../src/control/pull-operation.ts';
import { controlSocketPath } from '../../../src/control/socket-path.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { receiptSample, statusSample } from '../../support/status-sample.ts';
import { tempDir } from '../../support/temp-dir.ts';

const resolved: PullProgress = { kind: 'resolved', reference: 'r/a:1', digest: receiptSample.digest, stale: false };

const handlers: Partial<Handlers> = {
  status: () => Promise.resolve(statusSample),
  receipts: () => Promise.resolve({ receipts: [receiptSample] }),
  pull: (_request, { progress }) => {
    progress(resolved);
    progress({ kind: 'blobs', blobs: [] });
    return Promise.resolve({ receipt: receiptSample });
  },
  verify: () => Promise.reject(new LayerswarmError('disk-full', 'no room', { detail: { path: '/x' } })),
};

async function start(
  t: ExecutionContext,
  changed: Partial<Handlers> = {},
  group?: string,
): Promise<{ client: ControlClient; path: string; data: string; server: ControlServer }> {
  const data = tempDir(t);
  const path = join(data, 'agent.sock');
  const server = new ControlServer({ path, group, handlers: { ...handlers, ...changed }, onError: (_, error) => t.log(String(error)) });
  await server.start();
  t.teardown(() => server.stop());
  await writeAgentFile(data, {
    pid: process.pid,
    peerId: 'p',
    multiaddrs: [],
    registry: 'http://127.0.0.1:1',
    status: null,
    push: null,
    socket: path,
  });
  return { client: await ControlClient.connect(data), path, data, server };
}

test('a call gives the result', async (t) => {
  const { client } = await start(t);
  t.deepEqual(await client.call('status', {}), statusSample);
  t.deepEqual(await client.call('receipts', {}), { receipts: [receiptSample] });
});

test('progress comes before the result, in order', async (t) => {
  const { client } = await start(t);
  const seen: PullProgress[] = [];
  const { receipt } = await client.call('pull', { reference: 'a:1' }, { onProgress: (progress) => seen.push(progress) });
  t.deepEqual(seen, [resolved, { kind: 'blobs', blobs: [] }]);
  t.deepEqual(receipt, receiptSample);
});

test('an error keeps its code, its message and its particulars', async (t) => {
  const { client } = await start(t);
  const error = await t.throwsAsync(client.call('verify', {}), { instanceOf: LayerswarmError, code: 'disk-full', message: 'no room' });
  t.deepEqual(error.detail, { path: '/x' });
});

test('a request that does not fit its schema is refused', async (t) => {
  const { client } = await start(t);
  await t.throwsAsync(client.call('pull', { reference: '' }), { code: 'usage', message: /reference/ });
});

test('an operation that the agent does not know is said so', async (t) => {
  const { client } = await start(t);
  await t.throwsAsync(client.call('toString' as 'status', {}), { code: 'unsupported' });
  await t.throwsAsync(client.call('fly' as 'status', {}), { code: 'unsupported', message: /"fly"/ });
});

test('a caller that goes away ends its operation', async (t) => {
  const ended = Promise.withResolvers<unknown>();
  const { client } = await start(t, {
    pull: async (_request, { signal, progress }) => {
      progress(resolved);
      await once(signal, 'abort');
      ended.resolve(signal.reason);
      throw signal.reason as Error;
    },
  });
  const controller = new AbortController();
  await t.throwsAsync(client.call('pull', { reference: 'a:1' }, { signal: controller.signal, onProgress: () => controller.abort() }), {
    code: 'aborted',
  });
  t.is(((await ended.promise) as LayerswarmError).code, 'aborted');
});

test('stopping ends the operations that run and removes the socket', async (t) => {
  const started = Promise.withResolvers<void>();
  const { client, server, path } = await start(t, {
    verify: async (_request, { signal }) => {
      started.resolve();
      await once(signal, 'abort');
      throw signal.reason as Error;
    },
  });
  const call = t.throwsAsync(client.call('verify', {}), { code: 'aborted', message: 'the agent is stopping' });
  await started.promise;
  await server.stop();
  await call;
  t.false(existsSync(path));
});

test('only the owner can use the socket, or a configured group too', async (t) => {
  t.is((await stat((await start(t)).path)).mode & 0o777, 0o600);
  const { path } = await start(t, {}, String(process.getgid!()));
  t.is((await stat(path)).mode & 0o777, 0o660);
});

test('a group that is not there is refused', async (t) => {
  await t.throwsAsync(start(t, {}, 'no-such-group'), {
    code: 'config-invalid',
    message: /^socket\.group: expected a group of this host, received "no-such-group"$/,
  });
});

test('the socket of a dead agent is taken over, another file is not', async (t) => {
  const path = join(tempDir(t), 'agent.sock');
  const dead = createServer().listen(path);
  await once(dead, 'listening');
  const server = new ControlServer({ path, handlers, onError: () => undefined });
  await server.start();
  await server.stop();
  await new Promise((resolve) => {
    dead.close(resolve);
  });
  await writeFile(path, 'precious');
  await t.throwsAsync(new ControlServer({ path, handlers, onError: () => undefined }).start(), {
    code: 'config-invalid',
    message: /another file/,
  });
});

test('a request beyond the limit, or not in JSON, is refused', async (t) => {
  const { path } = await start(t);
  for (const body of ['x'.repeat(70_000), '{', '']) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    request({ socketPath: path, path: '/v1/status', method: 'POST' }, (response) => {
      let text = '';
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => {
          text += chunk;
        })
        .on('end', () => resolve(text))
        .on('error', reject);
    })
      .on('error', reject)
      .end(body);
    t.regex(await promise, /"code":"(too-large|usage)"/);
  }
});

test('without an agent the data directory is named', async (t) => {
  const data = tempDir(t);
  await t.throwsAsync(ControlClient.connect(data), { code: 'agent-unreachable', message: new RegExp(`no agent runs on ${data}`) });
  await writeAgentFile(data, {
    pid: 1,
    peerId: 'p',
    multiaddrs: [],
    registry: '',
    status: null,
    push: null,
    socket: join(data, 'gone.sock'),
  });
  const client = await ControlClient.connect(data);
  await t.throwsAsync(client.call('status', {}), { code: 'agent-unreachable', message: /is gone/ });
  await removeAgentFile(data);
  await removeAgentFile(data);
  await t.throwsAsync(readAgentFile(data), { code: 'agent-unreachable' });
});

const long = `/tmp/${'d'.repeat(120)}`;
const places: readonly [title: string, data: string, options: Parameters<typeof controlSocketPath>[1], path: RegExp][] = [
  ['root', '/var/lib/layerswarm', { uid: 0, env: {} }, /^\/run\/layerswarm\/agent-[0-9a-f]{12}\.sock$/],
  [
    'a user with a runtime directory',
    '/home/u/x',
    { uid: 1000, env: { XDG_RUNTIME_DIR: '/run/user/1000' } },
    /^\/run\/user\/1000\/layerswarm\/agent-[0-9a-f]{12}\.sock$/,
  ],
  [
    'root with a runtime directory',
    '/var/lib/layerswarm',
    { uid: 0, env: { XDG_RUNTIME_DIR: '/run/user/0' } },
    /^\/run\/user\/0\/layerswarm\/agent-[0-9a-f]{12}\.sock$/,
  ],
  ['a user without one', '/home/u/x', { uid: 1000, env: {} }, /^\/home\/u\/x\/agent\.sock$/],
  ['a runtime directory with too long a path', '/home/u/x', { uid: 1000, env: { XDG_RUNTIME_DIR: long } }, /^\/home\/u\/x\/agent\.sock$/],
  ['a configured path', '/home/u/x', { uid: 1000, env: {}, configured: '/run/x.sock' }, /^\/run\/x\.sock$/],
];
for (const [title, data, options, path] of places) {
  test(`the socket's place: ${title}`, (t) => {
    t.regex(controlSocketPath(data, options), path);
  });
}

test('no place with a path that is short enough is said so', (t) => {
  t.throws(() => controlSocketPath(long, { uid: 1000, env: {} }), { code: 'config-invalid', message: /at most 107 bytes/ });
});

test('agent.json is written beside a link that somebody planted, never through it', async (t) => {
  const [data, elsewhere] = [tempDir(t), tempDir(t)];
  const target = join(elsewhere, 'target');
  for (const name of ['agent.json', 'agent.json.tmp']) symlinkSync(target, join(data, name));
  const file: AgentFile = { pid: 1, peerId: 'p', multiaddrs: [], registry: 'http://r', status: null, push: null, socket: '/s' };
  await writeAgentFile(data, file);
  t.false(existsSync(target));
  t.deepEqual(await readAgentFile(data), file);
  t.deepEqual(readdirSync(data).sort(), ['agent.json', 'agent.json.tmp']);
});
