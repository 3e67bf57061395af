import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { GcSummary, PurgeReport, VerifyReport } from '../../src/control/keep-operation.ts';
import type { PullPlan } from '../../src/control/prefetch-operation.ts';
import { type Containerd, startContainerd } from '../support/containerd.ts';
import { type DockerRegistry, isBlobRead, startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { waitFor } from '../support/wait-for.ts';

const TOOLS = ['root', 'docker-registry', 'containerd', 'ctr'];

interface Scene {
  readonly registry: DockerRegistry;
  readonly containerd: Containerd;
  readonly layer: string;
  readonly manifest: string;
  readonly bytes: Buffer;
}

function contentPath({ dir }: Containerd, digest: string): string {
  return join(dir, 'root/io.containerd.content.v1.content/blobs', digest.replace(':', '/'));
}

/** An image at the origin, and a containerd that has fetched it from there by itself. */
async function scene(t: ExecutionContext): Promise<Scene> {
  const [registry, containerd] = await Promise.all([startDockerRegistry(t), startContainerd(t)]);
  const bytes = randomBytes(2_000_000);
  const image = await pushImage(registry, 'team/app', 'v1', [bytes]);
  await containerd.ctrOk(['content', 'fetch', '--plain-http', '--all-platforms', `${registry.host}/team/app:v1`]);
  return { registry, containerd, bytes, layer: image.layers[0]!.digest.toString(), manifest: image.digest.toString() };
}

async function nodeOf(
  t: ExecutionContext,
  { registry, containerd }: Pick<Scene, 'registry' | 'containerd'>,
  args: readonly string[] = [],
): Promise<Agent> {
  return await startAgent(t, {
    origin: registry.url,
    args: ['--containerd-socket', containerd.socket, '--containerd-root', join(containerd.dir, 'root'), ...args],
  });
}

/** Waits until the node has, or has no longer, everything of the image but its manifest. */
async function waitUntilMissing(agent: Agent, missing: boolean): Promise<void> {
  await waitFor(
    missing ? 'content to be withdrawn' : 'content to be offered',
    async () => {
      const plan = await agent.cliJson<PullPlan>(['pull', '--dry-run', 'team/app:v1']);
      return plan.blobs.every(({ here }) => here) !== missing;
    },
    { deadline: 60_000, interval: 300 },
  );
}

async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

test('what containerd holds is served to members from where it lies, and withdrawn when it goes', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(180_000);
  const all = await scene(t);
  const { registry, containerd, layer, bytes } = all;
  const holder = await nodeOf(t, all);
  await waitUntilMissing(holder, false);
  const { containerd: held, store } = await holder.status();
  t.is(held?.state, 'ok');
  t.is(held!.blobs, 3, 'manifest, config and layer');
  t.true(held!.bytes > bytes.length && store.bytes < bytes.length, 'counted apart from the store');
  const before = registry.requests().filter(isBlobRead).length;
  const member = await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(holder) });
  await member.waitForPeers(1);
  await member.cliOk(['pull', 'team/app:v1']);
  t.true((await readFile(member.blobPath(layer))).equals(bytes));
  t.is(registry.requests().filter(isBlobRead).length, before, 'no blob came from the origin');
  t.false(await isThere(holder.blobPath(layer)), 'there is no second copy');

  await containerd.ctrOk(['images', 'rm', '--sync', `${registry.host}/team/app:v1`]);
  await waitFor('containerd to collect the layer', async () => !(await isThere(contentPath(containerd, layer))));
  await waitUntilMissing(holder, true);

  await containerd.ctrOk(['content', 'fetch', '--plain-http', '--all-platforms', `${registry.host}/team/app:v1`]);
  await waitUntilMissing(holder, false);
});

test('content with a flipped bit is found out before it is served, and the member gets it from the origin', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(180_000);
  const all = await scene(t);
  const wrong = Buffer.from(all.bytes);
  wrong[1_234_567]! ^= 4;
  writeFileSync(contentPath(all.containerd, all.layer), wrong);
  const holder = await nodeOf(t, all);
  await waitUntilMissing(holder, false);
  const member = await startAgent(t, { origin: all.registry.url, bootstrap: bootstrapOf(holder) });
  await member.waitForPeers(1);
  await member.cliOk(['pull', 'team/app:v1']);
  t.true((await readFile(member.blobPath(all.layer))).equals(all.bytes));
  await waitUntilMissing(holder, true);
  t.regex(holder.program.stderr, /is not what its name says/);
  t.deepEqual((await member.status()).bans, []);
});

test('verify reads what containerd holds again, and says which file is wrong', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(180_000);
  const all = await scene(t);
  const file = contentPath(all.containerd, all.layer);
  // the file will look as it did when it was read first
  const touch = async (): Promise<void> => await utimes(file, 1000, 1000);
  await touch();
  const node = await nodeOf(t, all);
  await waitUntilMissing(node, false);
  t.true((await node.cliJson<VerifyReport>(['verify'])).bytes > all.bytes.length);
  const wrong = Buffer.from(all.bytes);
  wrong[1_234_567]! ^= 4;
  writeFileSync(file, wrong);
  await touch();
  const { code, stdout } = await node.cli(['--json', 'verify']);
  t.is(code, 5);
  const { corrupt, unrepaired } = JSON.parse(stdout) as VerifyReport;
  t.deepEqual(corrupt, [all.layer]);
  t.regex(unrepaired[0]!.reason, /containerd's file .* is wrong/);
  await node.cliOk(['pull', 'team/app:v1']);
  t.true((await readFile(node.blobPath(all.layer))).equals(all.bytes), 'the node has a right copy of its own now');
});

test('purge says what containerd keeps of the image, there and on other nodes', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(180_000);
  const all = await scene(t);
  const holder = await nodeOf(t, all, ['--allow-purge']);
  await waitUntilMissing(holder, false);
  const member = await startAgent(t, { origin: all.registry.url, bootstrap: bootstrapOf(holder) });
  await member.waitForPeers(1);
  await member.cliOk(['pull', 'team/app:v1']);
  const { code, stdout } = await member.cli(['--json', 'purge', '--everywhere', 'team/app:v1']);
  t.is(code, 1, 'it is not gone');
  const nodes = new Map(
    (JSON.parse(stdout) as PurgeReport).nodes.map(({ peerId, state, heldByRuntime }) => [peerId, [state, heldByRuntime]]),
  );
  t.deepEqual(
    [nodes.get(member.info.peerId), nodes.get(holder.info.peerId)],
    [
      ['done', 0],
      ['done', 3],
    ],
  );
  const here = await holder.cli(['purge', `${all.registry.host}/team/app@${all.manifest}`]);
  t.is(here.code, 1);
  t.regex(here.stdout, /crictl rmi/);

  await all.containerd.ctrOk(['images', 'rm', '--sync', `${all.registry.host}/team/app:v1`]);
  await waitFor(
    'nothing to be left',
    async () => (await holder.cli(['purge', `${all.registry.host}/team/app@${all.manifest}`])).code === 0,
    { interval: 500 },
  );
});

test('content of an excluded repository, or of another namespace, is not shared', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(180_000);
  const all = await scene(t);
  for (const args of [
    ['--exclude', 'team/*'],
    ['--containerd-namespaces', 'moby'],
  ]) {
    const node = await nodeOf(t, all, args);
    await node.program.waitForOutput(/containerd lists its content.*shared=0/);
    const { blobs } = await node.cliJson<PullPlan>(['pull', '--dry-run', 'team/app:v1']);
    t.true(blobs.every(({ here }) => !here));
    await node.stop();
  }
});

test("what containerd pulled through the node is kept once: gc drops the node's own copy", async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(180_000);
  const [registry, containerd] = await Promise.all([startDockerRegistry(t), startContainerd(t)]);
  const image = await pushImage(registry, 'team/app', 'v1', [randomBytes(2_000_000)]);
  const layer = image.layers[0]!.digest.toString();
  const node = await nodeOf(t, { registry, containerd });
  await containerd.ctrOk([
    'content',
    'fetch',
    '--hosts-dir',
    containerd.hostsDir(node.registry),
    '--all-platforms',
    'docker.io/team/app:v1',
  ]);
  t.deepEqual([await isThere(node.blobPath(layer)), await isThere(contentPath(containerd, layer))], [true, true]);
  const removed = await waitFor(
    'the duplicate to go',
    async () => {
      const summary = await node.cliJson<GcSummary>(['gc']);
      return summary.removed.length > 0 && summary.removed;
    },
    { deadline: 60_000, interval: 300 },
  );
  t.deepEqual(
    removed.map(({ digest }) => digest),
    [layer],
  );
  t.false(await isThere(node.blobPath(layer)));
  await waitUntilMissing(node, false);
});

test('a node serves without a containerd that it cannot reach', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  const registry = await startDockerRegistry(t);
  await pushImage(registry, 'team/app', 'v1', [randomBytes(1000)]);
  const node = await startAgent(t, { origin: registry.url, args: ['--containerd-socket', '/nonexistent/containerd.sock'] });
  await node.program.waitForOutput(/cannot follow what containerd holds/);
  t.true((await node.cliJson<PullPlan>(['pull', '--dry-run', 'team/app:v1'])).missingBytes > 0);
  await node.cliOk(['pull', 'team/app:v1']);
});
