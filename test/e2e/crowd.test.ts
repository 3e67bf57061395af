import test from 'ava';
import { join } from 'node:path';
import { bigImage } from '../support/big-image.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { TestNetwork } from '../support/netns.ts';
import { fileDigest } from '../support/oci-layout.ts';
import { requireTool } from '../support/require-tool.ts';
import { skopeoCopy } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';

const HOSTS = 8;
const MOST_COPIES = 1.1;

test('eight hosts pull a Debian at the same moment, its bytes leave the origin about once, and a ninth gets it with the origin off the network', async (t) => {
  if (!requireTool(t, 'root', 'ip', 'nsenter', 'mmdebstrap', 'docker-registry', 'skopeo')) return;
  t.timeout(600_000);
  const image = await bigImage();
  const swarmKey = await makeSwarmKey(t);
  const network = await TestNetwork.create(t);
  const originHost = await network.addHost('origin');
  const origin = await startDockerRegistry(t, { host: originHost.address, port: 5000, netns: originHost.netns });
  await skopeoCopy(`oci:${image.layout.dir}:${image.tag}`, `docker://${origin.host}/library/debian:v1`, { netns: originHost.netns });

  const hosts = await network.addHosts(HOSTS);
  const agents = await Promise.all(hosts.map((host) => startAgent(t, { host, origin: origin.url, swarmKey, mdns: true })));
  await Promise.all(agents.map((agent) => agent.waitForPeers(HOSTS - 1)));
  const sentBefore = (await originHost.bytes()).sent;

  // Half of the hosts prefetch, half have a runtime that pulls through the node.
  await Promise.all(agents.map((agent, i) => (i % 2 === 0 ? agent.cliOk(['pull', 'library/debian:v1']) : pullByRuntime(agent))));

  for (const agent of agents) {
    for (const { digest } of [image.manifest, ...image.blobs]) t.is(await fileDigest(agent.blobPath(digest)), digest);
  }
  const copies = origin.blobBytes() / image.size;
  t.log(
    `origin sent ${copies.toFixed(3)} copies of ${image.size} bytes of blobs; ${(((await originHost.bytes()).sent - sentBefore) / image.size).toFixed(3)} on the wire`,
  );
  t.true(copies <= MOST_COPIES, `${copies} copies left the origin`);

  await originHost.setLink('down');
  const late = await startAgent(t, { host: await network.addHost('late'), swarmKey, mdns: true });
  await late.waitForStatus('the swarm and its origin', ({ peers, origin: { url } }) => peers.length > 0 && url === origin.url);
  await late.cliOk(['pull', 'library/debian:v1']);
  for (const { digest } of image.blobs) t.is(await fileDigest(late.blobPath(digest)), digest);

  async function pullByRuntime(agent: Agent): Promise<void> {
    await skopeoCopy('docker://127.0.0.1:5050/library/debian:v1', `dir:${join(tempDir(t, 'out'), 'image')}`, { netns: agent.host?.netns });
  }
});
