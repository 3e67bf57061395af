import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { stringify } from 'yaml';
import type { ReplicateRunResult } from '../../src/control/replicate-operation.ts';
import type { ReplicationStatus } from '../../src/status/status-document.ts';
import { makeCertificateAuthority } from '../support/certificate.ts';
import { type DockerRegistry, REGISTRY_USER, startDockerRegistry } from '../support/docker-registry.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { multiPlatformImage, pushLayout, smallImage } from '../support/images.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { MEDIA_TYPE, type OciLayout } from '../support/oci-layout.ts';
import { requireTool } from '../support/require-tool.ts';
import { skopeoOk } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startTokenServer } from '../support/token-server.ts';
import { waitFor } from '../support/wait-for.ts';

/** Digests that were uploaded as blobs, once for each time. */
function uploads(registry: DockerRegistry): string[] {
  return registry.requests().flatMap(({ method, url, status }) => {
    const digest = new URL(url, 'http://registry').searchParams.get('digest');
    return method === 'PUT' && status === 201 && digest !== null && url.includes('/blobs/uploads/') ? [digest] : [];
  });
}

function nothingTwice(t: ExecutionContext, registry: DockerRegistry): void {
  const sent = uploads(registry);
  t.deepEqual(sent.toSorted(), [...new Set(sent)].toSorted(), 'every blob was uploaded once');
}

async function digestAt(registry: { url: string }, repository: string, reference: string): Promise<string | undefined> {
  const response = await fetch(`${registry.url}/v2/${repository}/manifests/${reference}`, {
    method: 'HEAD',
    headers: { accept: Object.values(MEDIA_TYPE).join(', ') },
  });
  return response.status === 200 ? (response.headers.get('docker-content-digest') ?? undefined) : undefined;
}

function configFile(t: ExecutionContext, targets: readonly object[], policy: object = {}): string {
  const file = join(tempDir(t, 'conf'), 'layerswarm.yaml');
  writeFileSync(
    file,
    stringify({
      replication: {
        targets,
        policies: [
          {
            name: 'team',
            targets: targets.map((target) => (target as { name: string }).name),
            repositories: { allow: ['team/*'], deny: ['team/secret'] },
            tags: { deny: ['*-dev'] },
            addPrefix: 'mirror/',
            ...policy,
          },
        ],
      },
    }),
  );
  return file;
}

/** One policy for each target, which has its own word for what to do about conflicts. */
function conflictConfig(t: ExecutionContext, targets: Readonly<Record<'keep' | 'fail', string>>): string {
  const file = join(tempDir(t, 'conf'), 'layerswarm.yaml');
  const names = Object.keys(targets) as (keyof typeof targets)[];
  writeFileSync(
    file,
    stringify({
      replication: {
        targets: names.map((name) => ({ name, url: targets[name] })),
        policies: names.map((name) => ({ name, targets: [name], conflict: name })),
      },
    }),
  );
  return file;
}

const replicationOf = (agent: Agent): Promise<ReplicationStatus> => agent.cliJson<ReplicationStatus>(['replicate', 'status', '--json']);

async function settled(agent: Agent, target: string): Promise<ReplicationStatus['targets'][number]> {
  let status: ReplicationStatus | undefined;
  try {
    return await waitFor(
      `${target} is up to date`,
      async () => {
        status = await replicationOf(agent);
        const found = status.targets.find(({ name }) => name === target);
        return found !== undefined && found.copies > 0 && found.waiting + found.running === 0 && found;
      },
      { interval: 300 },
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(status)}`, { cause: error });
  }
}

/** A signature as cosign keeps it, and an artifact that names its subject. */
async function sign(
  registry: DockerRegistry,
  layout: OciLayout,
  subject: { mediaType: string; digest: string; size: number },
): Promise<string> {
  const signature = await layout.addBlob(randomBytes(300), 'application/vnd.dev.cosign.simplesigning.v1+json');
  const config = await layout.addBlob(Buffer.from('{}'), MEDIA_TYPE.config);
  const tag = `sha256-${subject.digest.slice(7)}`;
  await layout.addManifest({ config, layers: [signature] }, `${tag}.sig`);
  const { mediaType, digest, size } = subject;
  const sbom = await layout.addManifest({
    artifactType: 'application/spdx+json',
    config: await layout.addBlob(Buffer.from('{}'), MEDIA_TYPE.empty),
    layers: [await layout.addBlob(randomBytes(200), 'application/spdx+json')],
    subject: { mediaType, digest, size },
  });
  await layout.addIndex([{ ...sbom, artifactType: 'application/spdx+json' }], tag);
  for (const name of [`${tag}.sig`, tag]) await pushLayout(registry, layout, name, 'team/app');
  return tag;
}

test('images and what refers to them arrive at every target, whatever state it is in, and nothing twice', async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo', 'openssl')) return;
  const origin = await startDockerRegistry(t);
  const authority = await makeCertificateAuthority(t);
  const { keyFile, certFile } = await authority.issue('registry');
  const { key, cert } = await authority.issue('tokens');
  const tokens = await startTokenServer(t, { tls: { key, cert } });
  const secured = await startDockerRegistry(t, { tls: { key: keyFile, cert: certFile }, tokenAuth: tokens.registryAuth });
  const flaky = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, flaky.url);
  const asked = new Map<string, number>();
  proxy.inject(
    { kind: 'status', status: 503 },
    {
      match({ method, url }) {
        const { pathname, searchParams } = new URL(url, 'http://proxy');
        // the address of an upload is another one each time
        const what = `${method} ${searchParams.get('digest') ?? pathname}`;
        asked.set(what, (asked.get(what) ?? 0) + 1);
        return asked.get(what)! % 2 === 1;
      },
    },
  );
  const down = await startDockerRegistry(t);
  await down.stop();
  const passwordFile = join(tempDir(t), 'password');
  writeFileSync(passwordFile, `${REGISTRY_USER.password}\n`);
  const config = configFile(t, [
    { name: 'secured', url: secured.url, username: REGISTRY_USER.username, passwordFile, ca: authority.certFile },
    { name: 'flaky', url: proxy.url },
    { name: 'down', url: down.url },
  ]);
  const agent = await startAgent(t, { origin: origin.url, args: ['--config', config] });

  const { layout, index, children } = await multiPlatformImage(t);
  const tag = await sign(origin, layout, { ...index, size: readFileSync(layout.blobPath(index.digest)).length });
  const dry = await agent.cliOk(['seed', `oci:${layout.dir}:multi`, '--as', 'team/app:v1', '--dry-run']);
  t.regex(dry.stdout, /the tag would be new/);
  await agent.cliOk(['seed', `oci:${layout.dir}:multi`, '--as', 'team/app:v1']);
  await agent.cliOk(['seed', `oci:${layout.dir}:multi`, '--as', 'team/second:v1']);
  await agent.cliOk(['seed', `oci:${layout.dir}:multi`, '--as', 'team/app:v1-dev']);
  await agent.cliOk(['seed', `oci:${layout.dir}:multi`, '--as', 'other/app:v1']);

  t.is((await settled(agent, 'secured')).copies, 2);
  t.is((await settled(agent, 'flaky')).copies, 2);
  const behind = await waitFor('the error of the target that is down', async () =>
    (await replicationOf(agent)).targets.find(({ name, lastError }) => name === 'down' && lastError !== null),
  );
  t.is(behind.waiting + behind.running, 2);
  t.regex(behind.lastError ?? '', /connection refused/);
  const back = await startDockerRegistry(t, { port: down.port, folder: down.folder });
  const { tags } = await agent.cliJson<ReplicateRunResult>(['replicate', 'run', '--json']);
  t.deepEqual(
    tags.filter(({ state }) => state !== 'done'),
    [],
  );
  t.is(tags.length, 6, 'two tags at three targets; denied tags and other repositories stay');
  t.true(
    tags.every(({ target, copied }) => target === 'down' || !copied),
    'what was there before is not counted',
  );
  t.regex((await agent.cliOk(['replicate', 'run'])).stdout, /^0 of 6 tags copied, 6 up to date/);

  for (const registry of [flaky, back]) {
    for (const repository of ['mirror/team/app', 'mirror/team/second']) t.is(await digestAt(registry, repository, 'v1'), index.digest);
    for (const name of [tag, `${tag}.sig`])
      t.is(await digestAt(registry, 'mirror/team/app', name), await digestAt(origin, 'team/app', name), name);
    t.is(await digestAt(registry, 'mirror/team/app', 'v1-dev'), undefined);
    t.is(await digestAt(registry, 'mirror/other/app', 'v1'), undefined);
  }
  for (const registry of [secured, flaky, back]) nothingTwice(t, registry);
  const inspected = JSON.parse(
    (
      await skopeoOk([
        'inspect',
        '--raw',
        '--tls-verify=false',
        '--creds',
        `${REGISTRY_USER.username}:${REGISTRY_USER.password}`,
        `docker://${secured.host}/mirror/team/app:v1`,
      ])
    ).stdout,
  ) as { manifests: { digest: string }[] };
  t.deepEqual(
    inspected.manifests.map(({ digest }) => digest),
    children.map(({ digest }) => digest),
  );

  const { plan } = await agent.cliJson<ReplicateRunResult>(['replicate', 'run', '--dry-run', '--json', '--target', 'down']);
  t.deepEqual(
    plan.map(({ change, blobs }) => ({ change, blobs })),
    [
      { change: 'same', blobs: 0 },
      { change: 'same', blobs: 0 },
    ],
  );
  t.is((await agent.cli(['replicate', 'run', '--policy', 'nope'])).code, 2);
});

test('a copy goes on where it was after the agent was killed, and another member takes over for one that is gone', async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo')) return;
  const origin = await startDockerRegistry(t);
  const target = await startDockerRegistry(t);
  // so slow that every agent is killed in the middle
  const args = ['--config', configFile(t, [{ name: 'site', url: target.url, bandwidth: '300kB/s' }])];
  const first = await startAgent(t, { origin: origin.url, args });
  const second = await startAgent(t, { origin: origin.url, args, bootstrap: bootstrapOf(first) });
  const nodes = [first, second];
  await Promise.all(nodes.map((node) => node.waitForPeers(1)));
  const { layout, index } = await multiPlatformImage(t);
  const layers = await Promise.all(Array.from({ length: 4 }, () => layout.addLayer({ random: randomBytes(300_000) }, 'none')));
  const { digest } = await layout.addImage({ layers, tag: 'large' });
  await first.cliOk(['seed', `oci:${layout.dir}:large`, '--as', 'team/app:large']);

  const carrier = await waitFor('one node copies', async () => {
    const states = await Promise.all(
      nodes.map(async (node) => ({ node, uploaded: uploads(target).length, site: (await replicationOf(node)).targets[0] })),
    );
    return uploads(target).length > 0 && states.find(({ site }) => site?.running === 1)?.node;
  });
  await carrier.kill();
  const other = nodes.find((node) => node !== carrier)!;
  t.is(await waitFor('the other node takes over', () => digestAt(target, 'mirror/team/app', 'large')), digest);
  await settled(other, 'site').catch(() => undefined);
  nothingTwice(t, target);

  // alone, killed while it copies, and started again
  await other.cliOk(['seed', `oci:${layout.dir}:multi`, '--as', 'team/app:multi']);
  await other.kill();
  const again = await startAgent(t, { origin: origin.url, args, data: other.data });
  t.is(await waitFor('the copy is finished after the start', () => digestAt(target, 'mirror/team/app', 'multi')), index.digest);
  await waitFor('the queue is empty', async () => (await replicationOf(again)).targets[0]?.waiting === 0);
  nothingTwice(t, target);
});

test('a tag that means something else at the target stays there, silently or with an error, as the policy has it', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const [origin, keeping, failing] = await Promise.all([startDockerRegistry(t), startDockerRegistry(t), startDockerRegistry(t)]);
  const image = async (): Promise<{ layout: OciLayout; digest: string }> => {
    const layout = await smallImage(t);
    return { layout, digest: (await layout.tagged('v1')).digest };
  };
  const [theirs, ours] = [await image(), await image()];
  for (const registry of [keeping, failing]) await pushLayout(registry, theirs.layout, 'v1', 'team/app');
  const before = new Map([keeping, failing].map((registry) => [registry, uploads(registry).length]));
  await pushLayout(origin, ours.layout, 'v1', 'team/app');
  const agent = await startAgent(t, {
    origin: origin.url,
    args: ['--config', conflictConfig(t, { keep: keeping.url, fail: failing.url })],
  });

  const dry = await agent.cli(['--json', 'replicate', 'run', '--dry-run']);
  t.is(dry.code, 1, 'a run would fail');
  const { plan } = JSON.parse(dry.stdout) as ReplicateRunResult;
  const byPolicy = <T extends { readonly policy: string }>(lines: readonly T[]): T[] =>
    lines.toSorted((a, b) => a.policy.localeCompare(b.policy));
  t.deepEqual(
    byPolicy(plan).map(({ policy, change, from, error }) => [policy, change, from, error !== null]),
    [
      ['fail', 'none', null, true],
      ['keep', 'keep', theirs.digest, false],
    ],
  );
  const { code, stdout } = await agent.cli(['--json', 'replicate', 'run']);
  t.is(code, 1);
  const { tags } = JSON.parse(stdout) as ReplicateRunResult;
  t.deepEqual(
    byPolicy(tags).map(({ policy, state }) => [policy, state]),
    [
      ['fail', 'failed'],
      ['keep', 'done'],
    ],
  );
  t.regex(tags.find(({ policy }) => policy === 'fail')?.error ?? '', /set the policy's conflict to overwrite or keep/);
  for (const registry of [keeping, failing]) {
    t.is(await digestAt(registry, 'team/app', 'v1'), theirs.digest);
    t.is(uploads(registry).length, before.get(registry)!, 'nothing was sent');
  }
  const { troubled } = await replicationOf(agent);
  t.deepEqual(
    troubled.map(({ policy, failed }) => [policy, failed]),
    [['fail', true]],
    'it is not tried again by itself',
  );
});

test('a schedule brings over what no event told of', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const [origin, target] = await Promise.all([startDockerRegistry(t), startDockerRegistry(t)]);
  const agent = await startAgent(t, {
    origin: origin.url,
    args: [
      '--config',
      configFile(t, [{ name: 'site', url: target.url }], { onEvent: false, schedule: '1s', repositories: { allow: ['team/app'] } }),
    ],
  });
  const { layout, index } = await multiPlatformImage(t);
  await pushLayout(origin, layout, 'multi', 'team/app');
  t.is(await waitFor('the copy', () => digestAt(target, 'mirror/team/app', 'multi')), index.digest);
  const { digest } = await layout.addImage({ layers: [await layout.addLayer({ more: randomBytes(1000) })], tag: 'next' });
  await pushLayout(origin, layout, 'next', 'team/app');
  t.is(await waitFor('the copy of the next tag', () => digestAt(target, 'mirror/team/app', 'next')), digest);
  t.true((await settled(agent, 'site')).copies >= 2);
  nothingTwice(t, target);
});
