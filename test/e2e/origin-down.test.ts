import test from 'ava';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout, smallImage } from '../support/images.ts';
import { bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { getManifest, pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';

test('with the origin stopped, a node that has nothing pulls what a member has: by digest, and by tag as stale', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const layout = await smallImage(t);
  const origin = await startDockerRegistry(t);
  const { digest } = await pushLayout(origin, layout, 'v1', 'team/app');
  const warm = await startAgent(t, { origin: origin.url });
  t.true((await pullEverything(warm.registry, 'team/app', 'v1')) > 0);
  await origin.stop();

  const byDigest = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(warm) });
  await byDigest.waitForPeers(1);
  t.true((await pullEverything(byDigest.registry, 'team/app', digest)) > 0);

  const byTag = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(warm) });
  await byTag.waitForPeers(1);
  const answer = await getManifest(byTag.registry, 'team/app', 'v1');
  t.is(answer.status, 200);
  t.is(answer.digest, digest);
  t.regex(answer.headers.get('warning') ?? '', /^299 /);
  t.true((await pullEverything(byTag.registry, 'team/app', 'v1')) > 0);
  t.not((await byTag.status()).origin.state, 'ok');
});

test("with the origin stopped, what no member has is a fast 503 in the registry's words, and /v2/ still answers", async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  await origin.stop();
  const agent = await startAgent(t, { origin: origin.url });
  const answer = await getManifest(agent.registry, 'team/app', 'v1', { signal: AbortSignal.timeout(10_000) });
  t.is(answer.status, 503);
  const { errors } = JSON.parse(answer.bytes.toString()) as { errors: { code: string; message: string }[] };
  t.is(errors.length, 1);
  t.true(errors[0]!.message.length > 0);
  t.is((await fetch(`${agent.registry}/v2/`)).status, 200);
});

test('a tag that moved at the origin is followed, and one that was deleted there is forgotten', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  const agent = await startAgent(t, { origin: origin.url, args: ['--tags-ttl', '0s'] });
  const first = await pushLayout(origin, await smallImage(t), 'v1', 'team/app');
  t.is((await getManifest(agent.registry, 'team/app', 'v1')).digest, first.digest);
  const second = await pushLayout(origin, await smallImage(t), 'v1', 'team/app');
  t.is((await getManifest(agent.registry, 'team/app', 'v1')).digest, second.digest);
  t.is((await fetch(`${origin.url}/v2/team/app/manifests/${second.digest}`, { method: 'DELETE' })).status, 202);
  t.is((await getManifest(agent.registry, 'team/app', 'v1')).status, 404);
});
