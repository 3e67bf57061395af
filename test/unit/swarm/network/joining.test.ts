import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { multiaddr } from '@multiformats/multiaddr';
import { Handshakes } from '../../../../src/swarm/network/handshakes.ts';
import { Libp2pNetwork } from '../../../../src/swarm/network/libp2p-network.ts';
import { createNode } from '../../../../src/swarm/network/libp2p-node.ts';
import { PeerKey } from '../../../../src/swarm/network/peer-key.ts';
import { deriveSwarmKey, type SwarmKey } from '../../../../src/swarm/network/swarm-key.ts';
import { lastingPort } from '../../../support/lasting-port.ts';
import { Libp2pSwarm } from '../../../support/libp2p-swarm.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { connected, left, peerCount } from '../../../support/wait-for-peers.ts';
import { waitFor } from '../../../support/wait-for.ts';

const key = (fill: number): SwarmKey => deriveSwarmKey(Buffer.alloc(32, fill));

function swarmOf(t: ExecutionContext): Libp2pSwarm {
  const swarm = new Libp2pSwarm();
  t.teardown(async () => {
    await swarm.stop();
  });
  return swarm;
}

function portOf(node: Libp2pNetwork): number {
  return Number(/\/tcp\/(\d+)/.exec(node.multiaddrs()[0] ?? '')?.[1]);
}

test.serial('one bootstrap address of any member is enough to know all', async (t) => {
  const swarm = swarmOf(t);
  const a = await swarm.join();
  const b = await swarm.join();
  const c = await swarm.join({ bootstrap: b.multiaddrs() });
  await Promise.all([connected(c, a.self, b.self), connected(a, c.self)]);
  t.is(c.peers().length, 2);
});

test.serial('an address without a peer id does too, as multiaddr and as host and port', async (t) => {
  const swarm = swarmOf(t);
  const a = await swarm.join();
  const b = await swarm.join({ bootstrap: [`127.0.0.1:${portOf(a)}`] });
  const c = await swarm.join({ bootstrap: [`/ip4/127.0.0.1/tcp/${portOf(a)}`] });
  await Promise.all([connected(b, a.self), connected(c, a.self)]);
  t.pass();
});

test.serial('after a restart a node is back with no bootstrap alive', async (t) => {
  const swarm = swarmOf(t);
  const a = await swarm.join();
  const b = await swarm.join();
  const dataDir = await swarm.folder();
  const bootstrap = a.multiaddrs();
  const c = await swarm.join({ dataDir, bootstrap });
  await Promise.all([connected(c, a.self, b.self), connected(b, a.self, c.self)]);
  await swarm.stopNode(c);
  await swarm.stopNode(a);
  await left(b, a.self);
  t.is(b.membersWithin(60_000), 2, 'those that left lately count');
  const again = await swarm.join({ dataDir, bootstrap });
  t.is(again.self, c.self);
  await connected(again, b.self);
  t.is(again.membersWithin(60_000), 2, 'as do those of the run before');
});

test.serial('a member that was away is found again by those that stayed', async (t) => {
  const swarm = swarmOf(t);
  const a = await swarm.join();
  const dataDir = await swarm.folder();
  const listen = [`/ip4/127.0.0.1/tcp/${await lastingPort()}`];
  const b = await swarm.join({ dataDir, listen });
  await connected(a, b.self);
  await swarm.stopNode(b);
  await left(a, b.self);
  // It has forgotten everybody, and is told nobody.
  await writeFile(join(dataDir, 'network', 'members.json'), '{');
  const again = await swarm.join({ dataDir, bootstrap: [], listen });
  await connected(a, again.self);
  t.is(again.self, b.self);
});

const strangers: [title: string, ours: SwarmKey[], theirs: SwarmKey[], seen?: 'broken'][] = [
  ['another key', [key(1)], [key(2)]],
  ['no key', [key(1)], []],
  ['a key where there is none', [], [key(1)]],
  ['a third key, during a rotation', [key(1), key(2)], [key(3)]],
  ['the right name and the wrong key', [key(1)], [{ id: key(1).id, prologue: key(2).prologue }], 'broken'],
];
for (const [title, ours, theirs, seen = 'other_key'] of strangers) {
  test.serial(`a stranger with ${title} cannot connect, and both sides see why`, async (t) => {
    const swarm = swarmOf(t);
    const warnings: string[] = [];
    const a = await swarm.join({ swarmKeys: ours, onWarning: (line) => warnings.push(line) });
    const events: string[] = [];
    a.onPeer((event) => events.push(event));
    const handshakes = new Handshakes(() => undefined);
    const node = await createNode({
      peerKey: await PeerKey.generate(),
      swarmKeys: theirs,
      listen: [],
      announce: [],
      maxConnections: 10,
      gater: {},
      agent: 'stranger',
      handshakes,
    });
    await node.start();
    t.teardown(async () => {
      await node.stop();
    });
    for (let dial = 0; dial < 2; dial++) await t.throwsAsync(node.dial(multiaddr(a.multiaddrs()[0])));
    for (const side of [a.handshakes, handshakes]) {
      await waitFor('both failures', () => side.failures[seen] === 2);
      t.deepEqual(
        side.strangers().map(({ address, failures }) => ({ address, failures })),
        seen === 'broken' ? [] : [{ address: '127.0.0.1', failures: 2 }],
      );
    }
    t.deepEqual(warnings.length, seen === 'broken' ? 0 : 1, 'said once');
    t.true(warnings.every((line) => line.includes(`127.0.0.1 has another swarm key than this one (${ours[0]?.id ?? 'none'})`)));
    // A member that joins after it shows that the node goes on.
    const b = await swarm.join({ swarmKeys: ours, bootstrap: a.multiaddrs() });
    await connected(a, b.self);
    t.deepEqual(
      a.peers().map((peer) => peer.peerId),
      [b.self],
    );
    t.deepEqual(events, ['joined']);
  });
}

test.serial('during a rotation nodes with both keys talk to those with either', async (t) => {
  const swarm = swarmOf(t);
  const both = await swarm.join({ swarmKeys: [key(2), key(1)] });
  const before = await swarm.join({ swarmKeys: [key(1)], bootstrap: both.multiaddrs() });
  const after = await swarm.join({ swarmKeys: [key(2)], bootstrap: both.multiaddrs() });
  const another = await swarm.join({ swarmKeys: [key(1), key(2)], bootstrap: both.multiaddrs() });
  await Promise.all([connected(both, before.self, after.self, another.self), connected(another, before.self, after.self)]);
  t.deepEqual(new Set(before.peers().map((peer) => peer.peerId)), new Set([both.self, another.self]));
});

test.serial('a DNS name is asked again until it names a member', async (t) => {
  const swarm = swarmOf(t);
  const a = await swarm.join();
  let asked = 0;
  const resolver = {
    addresses: async (host: string) => {
      await Promise.resolve();
      asked += 1;
      if (asked === 1) throw new Error('ENOTFOUND');
      return host === 'members.test' ? ['127.0.0.1', 'not an address'] : [];
    },
    services: async () => await Promise.resolve([]),
  };
  const b = await swarm.join({ bootstrap: [`members.test:${portOf(a)}`], resolver });
  await connected(b, a.self);
  t.true(asked >= 2);
});

test.serial('service records give the port', async (t) => {
  const swarm = swarmOf(t);
  const a = await swarm.join();
  const asked: string[] = [];
  const b = await swarm.join({
    bootstrap: ['dns:swarm.test'],
    resolver: {
      addresses: async (host) => {
        asked.push(host);
        return await Promise.resolve(['127.0.0.1']);
      },
      services: async (name) => {
        asked.push(name);
        return await Promise.resolve([{ name: 'one.swarm.test', port: portOf(a) }]);
      },
    },
  });
  await connected(b, a.self);
  t.deepEqual(asked.slice(0, 2), ['_layerswarm._tcp.swarm.test', 'one.swarm.test']);
});

test.serial('two that dial each other at once end with one conversation', async (t) => {
  const swarm = swarmOf(t);
  const gate = Promise.withResolvers<undefined>();
  const ports = new Map<string, number>();
  const resolver = {
    addresses: async () => await Promise.resolve(['127.0.0.1']),
    services: async (name: string) => {
      await gate.promise;
      return [{ name: 'other', port: ports.get(name)! }];
    },
  };
  const a = await swarm.join({ bootstrap: ['dns:b'], resolver });
  const b = await swarm.join({ bootstrap: ['dns:a'], resolver });
  ports.set('_layerswarm._tcp.a', portOf(a)).set('_layerswarm._tcp.b', portOf(b));
  const events: string[] = [];
  a.onPeer((event) => events.push(`a ${event}`));
  b.onPeer((event) => events.push(`b ${event}`));
  gate.resolve(undefined);
  await Promise.all([connected(a, b.self), connected(b, a.self)]);
  a.handle('leave', () => undefined);
  b.handle('leave', () => undefined);
  const message = { type: 'leave', blob: `sha256:${'0'.repeat(64)}`, complete: true } as const;
  await Promise.all([a.request(b.self, message, 'ok'), b.request(a.self, message, 'ok')]);
  t.deepEqual(events.toSorted(), ['a joined', 'b joined']);
});

test.serial('twenty nodes that know one come up as a full mesh', async (t) => {
  // Ten seconds of computing, in one thread, on a machine that may be busy.
  t.timeout(600_000);
  const swarm = swarmOf(t);
  const first = await swarm.join();
  const startedAt = performance.now();
  const others = await Promise.all(Array.from({ length: 19 }, async () => await swarm.join({ bootstrap: first.multiaddrs() })));
  await Promise.all(
    [first, ...others].map(async (node) => {
      await peerCount(node, 19);
    }),
  );
  t.log(
    `20 nodes in one process: mesh after ${Math.round(performance.now() - startedAt)} ms, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB resident`,
  );
  t.true([first, ...others].every((node) => node.peers().length === 19));
});

test.serial('beyond its bound a node lets neighbours go, and still lets everybody in', async (t) => {
  const swarm = swarmOf(t);
  const bound = { maxNeighbours: 3, neighbourGraceMs: 500 };
  const first = await swarm.join(bound);
  const others = await Promise.all(Array.from({ length: 7 }, async () => await swarm.join({ ...bound, bootstrap: first.multiaddrs() })));
  await Promise.all(
    others.map(async (node) => {
      await peerCount(node, 1);
    }),
  );
  for (const node of [first, ...others]) await waitFor('the bound', () => node.peers().length <= 3);
  const late = await swarm.join({ ...bound, bootstrap: first.multiaddrs() });
  await peerCount(late, 1);
  t.pass();
});

test.serial('a port that is taken is said in one line', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.close();
  });
  const { port } = server.address() as { port: number };
  const swarm = swarmOf(t);
  await t.throwsAsync(swarm.join({ listen: [`/ip4/127.0.0.1/tcp/${port}`] }), {
    code: 'port-taken',
    message: `port ${port} on 127.0.0.1 is taken by another program: stop it, or listen elsewhere (--listen)`,
  });
});

for (const [title, options, message] of [
  ['no key on an address of the network', { swarmKeys: [], listen: ['/ip4/0.0.0.0/tcp/0'] }, /no swarm key is given/],
  ['a listen address that is none', { listen: ['localhost:4001'] }, /expected a multiaddr/],
  ['a listen address of another host', { listen: ['/ip4/192.0.2.1/tcp/0'] }, /cannot listen on/],
  ['a bootstrap address that is none', { bootstrap: ['not an address'] }, /^bootstrap: expected/],
] as const) {
  test.serial(`refuses to start with ${title}`, async (t) => {
    const swarm = swarmOf(t);
    await t.throwsAsync(swarm.join(options), { code: 'config-invalid', message });
  });
}

test.serial('a node keeps its peer id, in a file that only its owner can read', async (t) => {
  const dataDir = tempDir(t);
  const options = { dataDir, listen: ['/ip4/127.0.0.1/tcp/0'] };
  const { self } = await Libp2pNetwork.create(options);
  const file = join(dataDir, 'network', 'peer.key');
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.is((await Libp2pNetwork.create(options)).self, self);
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
  await t.throwsAsync(Libp2pNetwork.create(options), { code: 'key-invalid' });
});

test.serial('a ban holds over restarts, from both sides, until it ends', async (t) => {
  const swarm = swarmOf(t);
  const dataDir = await swarm.folder();
  const listen = [`/ip4/127.0.0.1/tcp/${await lastingPort()}`];
  const a = await swarm.join({ dataDir, listen });
  const b = await swarm.join();
  await connected(a, b.self);
  const until = Date.now() + 3_600_000;
  a.ban(b.self, 'forged a list', until);
  await left(a, b.self);
  await swarm.stopNode(a);
  const again = await swarm.join({ dataDir, listen, bootstrap: b.multiaddrs() });
  t.deepEqual(again.bans(), [{ peerId: b.self, reason: 'forged a list', until }]);
  const c = await swarm.join({ bootstrap: [...again.multiaddrs(), ...b.multiaddrs()] });
  await Promise.all([connected(c, again.self, b.self), connected(again, c.self)]);
  t.deepEqual(
    again.peers().map((peer) => peer.peerId),
    [c.self],
  );
});
