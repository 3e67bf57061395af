import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { REGISTRY_USER, startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout, smallImage } from '../support/images.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { getBlob, getManifest, pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

const LOGIN = `Basic ${Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64')}`;

interface Receipt {
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly bytes: number;
}

interface TrustStatus {
  readonly trust: { readonly excludePatterns: number; readonly excludedRepositories: number; readonly sharedWith: number };
}

function pull(agent: Agent, reference: string): Promise<Receipt> {
  return agent.cliJson<Receipt>(['pull', reference]);
}

test('an excluded repository is read from the origin only, announced to nobody, and given to no member', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  const push = async (name: string): Promise<string> => (await pushLayout(origin, await smallImage(t), 'v1', name)).digest;
  const [shared, secret] = [await push('team/app'), await push('secret/app')];
  const excluding = await startAgent(t, { origin: origin.url, args: ['--exclude', 'secret/*'] });
  await pull(excluding, 'team/app:v1');
  await pull(excluding, 'secret/app:v1');

  const other = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(excluding) });
  await other.waitForPeers(1);
  t.like(await pull(other, 'secret/app:v1'), { fromPeersBytes: 0 }, 'who has it does not give it');
  t.true((await pull(other, 'team/app:v1')).fromPeersBytes > 0, 'all else is given');
  await push('secret/later');
  await pull(other, 'secret/later:v1');
  t.like(await pull(excluding, 'secret/later:v1'), { fromPeersBytes: 0 }, 'nor does it take it from a member');
  t.deepEqual((await excluding.cliJson<TrustStatus>(['status'])).trust, { excludePatterns: 1, excludedRepositories: 2, sharedWith: 1 });
  t.regex(
    (await excluding.cliOk(['status'])).stdout,
    /^trust +members may read what this node holds \(1 connected\); 2 repositories here excluded by 1 pattern$/m,
  );

  await other.stop();
  await origin.stop();
  const late = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(excluding) });
  await late.waitForPeers(1);
  t.true((await pullEverything(late.registry, 'team/app', shared)) > 0);
  t.is((await getManifest(late.registry, 'secret/app', secret)).status, 503, 'the only member that has it gives it to nobody');
  t.is((await getManifest(excluding.registry, 'secret/app', secret)).status, 200, 'its own runtimes are served');
});

test('a node serves what its own login may read, and no more, whatever members hold', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t, { basicAuth: true });
  const layout = await smallImage(t);
  const { digest } = await pushLayout({ url: origin.url, authorization: LOGIN }, layout, 'v1', 'team/app');
  const { blobs } = await layout.closure(await layout.tagged('v1'));
  const trusted = await startAgent(t, { origin: origin.url, args: login(t) });
  t.true((await pullEverything(trusted.registry, 'team/app', 'v1')) > 0);

  const stranger = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(trusted) });
  await stranger.waitForPeers(1);
  for (const answer of [
    await getManifest(stranger.registry, 'team/app', 'v1'),
    await getManifest(stranger.registry, 'team/app', digest),
    await getBlob(stranger.registry, 'team/app', blobs[0]!.digest),
  ]) {
    t.is(answer.status, 404);
    t.is(answer.headers.get('www-authenticate'), null);
  }
  t.is(
    (await getManifest(trusted.registry, 'other/app', digest)).status,
    404,
    'a digest opens nothing through a repository that does not hold it',
  );
});

test('what the registry said about access holds while it is away, also after a restart', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t, { basicAuth: true });
  const { digest } = await pushLayout({ url: origin.url, authorization: LOGIN }, await smallImage(t), 'v1', 'team/app');
  const args = login(t);
  const before = await startAgent(t, { origin: origin.url, args });
  const bytes = await pullEverything(before.registry, 'team/app', 'v1');
  await before.stop();
  await origin.stop();
  const after = await startAgent(t, { origin: origin.url, args, data: before.data });
  t.is(await pullEverything(after.registry, 'team/app', digest), bytes);
  await after.stop();
  // the same word, when it is older than what is borne while the registry is away
  const strict = await startAgent(t, {
    origin: origin.url,
    args: [...args, '--access-ttl', '0s', '--access-stale-for', '0s'],
    data: before.data,
  });
  const refused = await getManifest(strict.registry, 'team/app', digest);
  t.is(refused.status, 503);
  t.regex(refused.bytes.toString(), /longer than access\.staleFor/);
});

function login(t: ExecutionContext): string[] {
  const password = join(tempDir(t, 'login'), 'password');
  writeFileSync(password, REGISTRY_USER.password);
  return ['--origin-username', REGISTRY_USER.username, '--origin-password-file', password];
}
