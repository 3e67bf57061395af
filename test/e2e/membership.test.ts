import test from 'ava';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout, smallImage } from '../support/images.ts';
import { bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { TestNetwork } from '../support/netns.ts';
import { getManifest, pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { waitFor } from '../support/wait-for.ts';

test('a new host with the swarm key alone is in the swarm, knows its origin and pulls', async (t) => {
  if (!requireTool(t, 'root', 'ip', 'nsenter', 'docker-registry', 'skopeo')) return;
  const layout = await smallImage(t);
  const swarmKey = await makeSwarmKey(t);
  const network = await TestNetwork.create(t);
  const originHost = await network.addHost('origin');
  const origin = await startDockerRegistry(t, { host: originHost.address, port: 5000, netns: originHost.netns });
  await originHost.runOk('skopeo', [
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    `oci:${layout.dir}:v1`,
    `docker://${origin.host}/team/app:v1`,
  ]);
  const first = await startAgent(t, { host: await network.addHost('first'), swarmKey, origin: origin.url, mdns: true });

  const begin = performance.now();
  const second = await startAgent(t, { host: await network.addHost('second'), swarmKey, mdns: true });
  const status = await second.waitForStatus('the swarm and its origin', ({ peers, origin: { url } }) => peers.length > 0 && url !== null);
  t.log(`${((performance.now() - begin) / 1000).toFixed(1)} s after its start`);
  t.is(status.peers[0]!.peerId, first.info.peerId);
  t.is(status.origin.url, origin.url);
  t.is(status.origin.source, 'learned');
  await second.cliOk(['pull', 'team/app:v1']);
});

test('one bootstrap address of any member is enough, and leads to the others', async (t) => {
  const swarmKey = await makeSwarmKey(t);
  const first = await startAgent(t, { swarmKey });
  const second = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(first) });
  await second.waitForPeers(1);
  const late = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(second) });
  const { peers } = await late.waitForPeers(2);
  t.deepEqual(peers.map(({ peerId }) => peerId).sort(), [first.info.peerId, second.info.peerId].sort());
});

test('a node that was restarted is back in the swarm with its bootstrap gone, under the same peer id', async (t) => {
  const swarmKey = await makeSwarmKey(t);
  const bootstrap = await startAgent(t, { swarmKey });
  const other = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(bootstrap) });
  const node = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(bootstrap) });
  await node.waitForPeers(2);
  t.is((await node.stop()).code, 0);
  await bootstrap.stop();

  const again = await startAgent(t, { swarmKey, data: node.data });
  t.is(again.info.peerId, node.info.peerId);
  const { peers } = await again.waitForPeers(1);
  t.is(peers[0]!.peerId, other.info.peerId);
});

test('a node that was killed is back in the swarm too', async (t) => {
  const swarmKey = await makeSwarmKey(t);
  const bootstrap = await startAgent(t, { swarmKey });
  const node = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(bootstrap) });
  await node.waitForPeers(1);
  await waitFor('a note of the other member', () =>
    readFileSync(join(node.data, 'network/members.json'), 'utf8').includes(bootstrap.info.peerId),
  );
  await node.kill();
  const again = await startAgent(t, { swarmKey, data: node.data });
  await again.waitForPeers(1);
  t.is(again.info.peerId, node.info.peerId);
});

test('a stranger with another key stays outside, and gets nothing', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  await pushLayout(origin, await smallImage(t), 'v1', 'team/app');
  const swarmKey = await makeSwarmKey(t);
  const member = await startAgent(t, { swarmKey, origin: origin.url });
  await pullEverything(member.registry, 'team/app', 'v1');
  const stranger = await startAgent(t, { swarmKey: await makeSwarmKey(t), bootstrap: bootstrapOf(member) });
  const keyless = await startAgent(t, { bootstrap: bootstrapOf(member) });
  // Who comes later is in: the others had their chance.
  const later = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(member) });
  await later.waitForPeers(1);
  for (const outsider of [stranger, keyless]) {
    const { peers, origin: learned } = await outsider.status();
    t.deepEqual(peers, []);
    t.is(learned.url, null);
    t.is((await getManifest(outsider.registry, 'team/app', 'v1')).status, 503);
  }
  t.deepEqual(
    (await member.status()).peers.map(({ peerId }) => peerId),
    [later.info.peerId],
  );
});

test('both keys of a rotation are accepted', async (t) => {
  const oldKey = await makeSwarmKey(t);
  const newKey = await makeSwarmKey(t);
  const rotating = await startAgent(t, { swarmKey: newKey, args: ['--swarm-key', oldKey] });
  const behind = await startAgent(t, { swarmKey: oldKey, bootstrap: bootstrapOf(rotating) });
  const ahead = await startAgent(t, { swarmKey: newKey, bootstrap: bootstrapOf(rotating) });
  await Promise.all([behind.waitForPeers(1), ahead.waitForPeers(1), rotating.waitForPeers(2)]);
  t.pass();
});
