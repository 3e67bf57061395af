import test from 'ava';
import { isBlobRead, REGISTRY_USER, startDockerRegistry } from '../support/docker-registry.ts';
import { smallImage } from '../support/images.ts';
import { bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { getManifest, pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { skopeo, skopeoCopy } from '../support/skopeo.ts';
import { waitFor } from '../support/wait-for.ts';

test('a push through a node arrives at the origin, and the node gives it on without asking there', async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo')) return;
  const origin = await startDockerRegistry(t);
  const agent = await startAgent(t, { origin: origin.url, args: ['--push', '127.0.0.1:0'] });
  const layout = await smallImage(t);
  await skopeoCopy(`oci:${layout.dir}:v1`, `docker://${new URL(agent.info.push!).host}/team/app:v1`);
  const { digest } = await layout.tagged('v1');
  t.is((await getManifest(origin.url, 'team/app', digest)).status, 200);
  t.true((await pullEverything(agent.registry, 'team/app', 'v1')) > 0);
  t.deepEqual(origin.requests().filter(isBlobRead), []);
});

test('a tag that is moved by a push through a node is new on the other nodes at once', async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo')) return;
  const origin = await startDockerRegistry(t);
  const first = await startAgent(t, { origin: origin.url, args: ['--push', '127.0.0.1:0'] });
  const second = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(first) });
  await Promise.all([first, second].map((agent) => agent.waitForPeers(1)));
  const push = async (): Promise<string> => {
    const layout = await smallImage(t);
    await skopeoCopy(`oci:${layout.dir}:v1`, `docker://${new URL(first.info.push!).host}/team/app:v1`);
    return (await layout.tagged('v1')).digest;
  };
  const before = await push();
  t.is((await getManifest(second.registry, 'team/app', 'v1')).digest, before);
  const after = await push();
  t.not(after, before);
  // the message takes a moment, and far less than a tag's time to live
  await waitFor('the new digest', async () => (await getManifest(second.registry, 'team/app', 'v1')).digest === after);
});

test("a push through a node needs the caller's own credentials for the origin", async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo')) return;
  const origin = await startDockerRegistry(t, { basicAuth: true });
  const agent = await startAgent(t, { origin: origin.url, args: ['--push', '127.0.0.1:0'] });
  const layout = await smallImage(t);
  const copy = (...credentials: string[]): string[] => [
    'copy',
    '--dest-tls-verify=false',
    ...credentials,
    `oci:${layout.dir}:v1`,
    `docker://${new URL(agent.info.push!).host}/team/app:v1`,
  ];
  t.not((await skopeo(copy())).code, 0);
  t.not((await skopeo(copy('--dest-creds', `${REGISTRY_USER.username}:wrong`))).code, 0);
  const right = await skopeo(copy('--dest-creds', `${REGISTRY_USER.username}:${REGISTRY_USER.password}`));
  t.is(right.code, 0, right.stderr);
  t.false(agent.program.stderr.includes(REGISTRY_USER.password));
});
