import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Discovery } from '../../../../../src/swarm/network/discovery/discovery.ts';
import { SYSTEM_RESOLVER } from '../../../../../src/swarm/network/discovery/dns-names.ts';
import { tempDir } from '../../../../support/temp-dir.ts';
import { waitFor } from '../../../../support/wait-for.ts';

function discoveryOf(t: ExecutionContext, rememberedPath: string, members: () => string[]): Discovery {
  const discovery = new Discovery({
    self: 'self',
    bootstrap: [],
    resolver: SYSTEM_RESOLVER,
    lan: false,
    rememberedPath,
    targetMembers: 1,
    seenEveryMs: 20,
    ownAddresses: () => [],
    members: () => members().map((peerId) => ({ peerId, listen: [] })),
    isConnected: (peerId) => members().includes(peerId),
    dial: () => Promise.reject(new Error('nobody is there')),
    askPeers: () => Promise.reject(new Error('nobody is there')),
    onWarning: (line) => t.log(line),
  });
  t.teardown(() => discovery.stop());
  return discovery;
}

test('who was connected for long before a crash is known to have been', async (t) => {
  const path = join(tempDir(t), 'network', 'members.json');
  mkdirSync(join(path, '..'));
  const before = discoveryOf(t, path, () => ['a']);
  await before.start();
  before.onJoined('a', ['/ip4/10.0.0.1/tcp/4001']);
  const joined = Date.now() + 1000;
  await waitFor('the file to say that it is still there', () => seenAt(path) > joined, { interval: 20 });

  const after = discoveryOf(t, path, () => []);
  await after.start();
  t.deepEqual([...after.membersSince(joined)], ['a']);
  t.deepEqual([...after.membersSince(Date.now() + 60_000)], []);
});

function seenAt(path: string): number {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { peers: { seenAt: number }[] }).peers[0]?.seenAt ?? 0;
  } catch {
    return 0; // not written yet
  }
}
