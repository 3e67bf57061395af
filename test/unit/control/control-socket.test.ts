import { mkdirSync, readdirSync, statSync, watch } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { listenOnSocket } from '../../../src/control/control-socket.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';

test('the socket is made within its own folder: the one above may be read-only', async (t) => {
  const parent = tempDir(t, 'sock');
  const folder = join(parent, 'data');
  mkdirSync(folder);
  const changed: string[] = [];
  const watcher = watch(parent, (_event, name) => changed.push(name ?? ''));
  t.teardown(() => watcher.close());
  const server = createServer();
  t.teardown(() => {
    server.close();
  });
  await listenOnSocket(server, join(folder, 'agent.sock'), undefined);
  t.is(statSync(join(folder, 'agent.sock')).mode & 0o777, 0o600);
  t.deepEqual(readdirSync(folder), ['agent.sock']);
  mkdirSync(join(parent, 'last'));
  await waitFor('the last change', () => changed.includes('last'));
  t.deepEqual(
    changed.filter((name) => name !== 'data' && name !== 'last'),
    [],
  );
});
