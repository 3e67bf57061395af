import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PinReport, PurgeReport, VerifyReport } from '../../src/control/keep-operation.ts';
import type { PrefetchReport, PullPlan } from '../../src/control/prefetch-operation.ts';
import { type DockerRegistry, isBlobRead, startDockerRegistry } from '../support/docker-registry.ts';
import { startDockerd } from '../support/dockerd.ts';
import { flipBit } from '../support/flip-bit.ts';
import { multiPlatformImage, pushLayout } from '../support/images.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

async function swarm(
  t: ExecutionContext,
  zones: readonly string[],
  args: readonly string[] = [],
): Promise<{ registry: DockerRegistry; agents: Agent[] }> {
  const registry = await startDockerRegistry(t);
  const first = await startAgent(t, { origin: registry.url, args: ['--zone', zones[0]!, ...args] });
  const rest = await Promise.all(
    zones
      .slice(1)
      .map(async (zone) => await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(first), args: ['--zone', zone, ...args] })),
  );
  await first.waitForPeers(rest.length);
  return { registry, agents: [first, ...rest] };
}

/** In its middle. */
async function flip(file: string): Promise<void> {
  flipBit(file, Math.floor((await stat(file)).size / 2));
}

async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

test('pull --zone brings the images of a list to every node of the zone, and to no other', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { registry, agents } = await swarm(t, ['red', 'red', 'blue']);
  const [first, second, blue] = agents;
  const images = await Promise.all(['a', 'b'].map((name) => pushImage(registry, `team/${name}`, 'v1', [randomBytes(300_000)])));
  const list = join(tempDir(t), 'images');
  writeFileSync(list, '# what runs here\nteam/a:v1\n\nteam/b:v1 # twice\nteam/b:v1\n');

  const plan = await first!.cliJson<PullPlan>(['pull', '--dry-run', 'team/a:v1']);
  t.is(plan.digest, images[0]!.digest.toString());
  t.true(plan.missingBytes > 300_000);

  const { reports } = await first!.cliJson<{ reports: PrefetchReport[] }>(['pull', '--zone', 'red', '--file', list]);
  t.deepEqual(
    reports.map(({ digest, complete, nodes }) => [digest, complete, nodes.map(({ peerId, state }) => `${peerId} ${state}`).sort()]),
    images.map(({ digest }) => [digest.toString(), true, [first!, second!].map(({ info }) => `${info.peerId} done`).sort()]),
  );
  for (const { layers } of images) {
    const layer = layers[0]!.digest.toString();
    t.deepEqual(await Promise.all(agents.map((agent) => isThere(agent.blobPath(layer)))), [true, true, false]);
  }
  const { images: listed } = await second!.status();
  t.true(
    listed.every(({ complete, sizeBytes }) => complete && sizeBytes > 300_000),
    'status is right at once',
  );
  t.deepEqual(
    listed.map(({ reference }) => reference.replace(/^[^/]+/, '')),
    ['/team/a:v1', '/team/b:v1'],
  );
  t.deepEqual((await blue!.status()).images, []);
});

test('of eight nodes that prefetch one is killed half-way: it is reported, and the others get the image', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const { registry, agents } = await swarm(t, Array<string>(8).fill('z'), ['--limits-origin', '2MB/s']);
  const layer = randomBytes(40_000_000);
  const image = await pushImage(registry, 'team/app', 'v1', [layer]);
  const victim = agents[7]!;
  const wave = agents[0]!.cli(['--json', 'pull', '--all', 'team/app:v1'], { deadline: 150_000 });
  await victim.waitForStatus('a transfer half-way', ({ transfers }) => transfers.some(({ haveBytes }) => haveBytes > layer.length / 2));
  await victim.kill();
  const { code, stdout, stderr } = await wave;
  t.is(code, 1, stderr);
  const { nodes, complete } = JSON.parse(stdout) as PrefetchReport;
  t.false(complete);
  t.deepEqual(
    nodes.filter(({ state }) => state !== 'done').map(({ peerId, state }) => [peerId, state]),
    [[victim.info.peerId, 'gone']],
  );
  t.is(nodes.length, 8);
  for (const agent of agents.slice(0, 7)) {
    t.is((await stat(agent.blobPath(image.layers[0]!.digest.toString()))).size, layer.length);
    t.deepEqual(
      (await agent.status()).images.map(({ digest, complete }) => [digest, complete]),
      [[image.digest.toString(), true]],
    );
  }
});

test('purge --everywhere removes an image from the nodes that allow it, and says which do not', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { registry, agents } = await swarm(t, ['z', 'z'], ['--allow-purge']);
  const refusing = await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(agents[0]!) });
  await agents[0]!.waitForPeers(2);
  const shared = randomBytes(100_000);
  const leaked = await pushImage(registry, 'team/leaked', 'v1', [shared, randomBytes(200_000)]);
  await pushImage(registry, 'team/app', 'v1', [shared]);
  for (const name of ['team/leaked:v1', 'team/app:v1']) await agents[0]!.cliOk(['pull', '--all', name]);
  const [common, own] = leaked.layers.map(({ digest }) => digest.toString());

  const said = await agents[0]!.cli(['--json', 'purge', '--everywhere', '--dry-run', 'team/leaked:v1']);
  t.true((JSON.parse(said.stdout) as PurgeReport).dryRun);
  t.true(await isThere(agents[1]!.blobPath(own!)));

  const { code, stdout } = await agents[0]!.cli(['--json', 'purge', '--everywhere', 'team/leaked:v1']);
  t.is(code, 1);
  const states = new Map(
    (JSON.parse(stdout) as PurgeReport).nodes.map(({ peerId, state, removed, kept }) => [peerId, [state, removed, kept]]),
  );
  for (const agent of agents) {
    t.deepEqual(states.get(agent.info.peerId), ['done', 3, 1]);
    t.deepEqual([await isThere(agent.blobPath(own!)), await isThere(agent.blobPath(common!))], [false, true]);
    await agent.cliOk(['verify']);
  }
  t.deepEqual(states.get(refusing.info.peerId), ['refused', 0, 0]);
  t.true(await isThere(refusing.blobPath(own!)));
  t.deepEqual(
    (await agents[1]!.status()).images.map(({ reference }) => reference.replace(/^[^/]+/, '')),
    ['/team/app:v1'],
  );
});

test('pin --everywhere holds on the nodes that allow it, and unpin --everywhere ends that', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { registry, agents } = await swarm(t, ['z', 'z'], ['--allow-pin']);
  const refusing = await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(agents[0]!) });
  await agents[0]!.waitForPeers(2);
  const { layers } = await pushImage(registry, 'team/app', 'v1', [randomBytes(300_000)]);
  const layer = layers[0]!.digest.toString();
  const all = [...agents, refusing];
  await agents[0]!.cliOk(['pull', '--all', 'team/app:v1']);
  const collect = async (): Promise<boolean[]> =>
    await Promise.all(
      all.map(async (agent) => {
        await agent.cliOk(['gc', '--max-bytes', '0']);
        return await isThere(agent.blobPath(layer));
      }),
    );
  t.is((await agents[0]!.cli(['pin', 'team/app:v1', '--everywhere', '--copies', '2'])).code, 2);
  t.is((await agents[0]!.cli(['pin', 'team/app:v1', '--everywhere', '--dry-run'])).code, 1);
  t.deepEqual((await agents[1]!.cliJson<{ pins: unknown[] }>(['pin'])).pins, []);
  const asked = await agents[0]!.cli(['--json', 'pin', 'team/app:v1', '--everywhere']);
  t.is(asked.code, 1, 'one of them refused');
  const { nodes } = JSON.parse(asked.stdout) as PinReport;
  const states = new Map(nodes!.map(({ peerId, state, complete }) => [peerId, [state, complete]]));
  t.deepEqual(
    all.map(({ info }) => states.get(info.peerId)),
    [
      ['done', true],
      ['done', true],
      ['refused', false],
    ],
  );
  t.deepEqual(await collect(), [true, true, false]);
  t.is((await agents[1]!.cli(['unpin', 'team/app:v1', '--everywhere'])).code, 1);
  t.deepEqual(await collect(), [false, false, false]);
  t.is((await agents[1]!.cli(['unpin', 'team/app:v1', '--everywhere'])).code, 3);
});

test('a pinned image outlives gc, and has its copies made again when a holder dies', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const { registry, agents } = await swarm(t, ['a', 'b', 'c']);
  const [keeper] = agents;
  const pinned = await pushImage(registry, 'team/pinned', 'v1', [randomBytes(300_000)]);
  const loose = await pushImage(registry, 'team/loose', 'v1', [randomBytes(300_000)]);
  await keeper!.cliOk(['pull', 'team/pinned:v1', 'team/loose:v1']);
  const report = await keeper!.cliJson<PinReport>(['pin', 'team/pinned:v1', '--copies', '2']);
  t.deepEqual([report.copies, report.holders, report.complete], [2, 2, true]);
  const layer = pinned.layers[0]!.digest.toString();
  const holders = async (): Promise<Agent[]> => {
    const found: Agent[] = [];
    for (const agent of agents.slice(1)) if (agent.program.exit === undefined && (await isThere(agent.blobPath(layer)))) found.push(agent);
    return found;
  };
  const [second, ...more] = await holders();
  t.deepEqual(more, []);
  await second!.kill();
  await waitFor('another copy', async () => (await holders()).length === 1, { deadline: 60_000 });

  await keeper!.cliOk(['gc', '--dry-run', '--max-bytes', '0']);
  t.true(await isThere(keeper!.blobPath(loose.layers[0]!.digest.toString())));
  await keeper!.cliOk(['gc', '--max-bytes', '0']);
  t.deepEqual([await isThere(keeper!.blobPath(layer)), await isThere(keeper!.blobPath(loose.layers[0]!.digest.toString()))], [true, false]);
  t.is((await keeper!.cli(['unpin', 'team/loose:v1'])).code, 3);
  await keeper!.cliOk(['unpin', 'team/pinned:v1']);
  await keeper!.cliOk(['gc', '--max-bytes', '0']);
  t.false(await isThere(keeper!.blobPath(layer)));
});

test('under load gc and verify leave a store that is right, and flipped bits are repaired from the swarm', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const { registry, agents } = await swarm(t, ['z', 'z']);
  const [node, member] = agents;
  const images = await Promise.all(
    Array.from({ length: 4 }, (_, i) => pushImage(registry, `team/app${i}`, 'v1', [randomBytes(4_000_000), randomBytes(50_000)])),
  );
  const names = images.map((_, i) => `team/app${i}:v1`);
  await node!.cliOk(['pull', '--all', ...names]);
  const broken = [images[0]!.layers[0]!.digest, images[1]!.config.digest, images[2]!.digest].map(String);
  const reads = (): number => registry.requests().filter(isBlobRead).length;
  const before = reads();
  for (const digest of broken) await flip(node!.blobPath(digest));

  const load = Promise.all([
    member!.cliOk(['gc', '--max-bytes', '5MB']),
    ...names.slice(2).map((name) => node!.cliOk(['pull', name])),
    node!.cliOk(['gc']),
  ]);
  const report = await node!.cliJson<VerifyReport>(['verify']);
  await load;
  // the manifest is read by its users too, who may have found it wrong first
  t.deepEqual(report.corrupt.filter((digest) => digest !== broken[2]).sort(), broken.slice(0, 2).sort());
  t.deepEqual(report.unrepaired, []);
  t.deepEqual(report.repaired, report.corrupt);
  await node!.cliOk(['verify']);
  await member!.cliOk(['verify']);
  await node!.cliOk(['pull', ...names]);
  t.log(`${reads() - before} blob reads at the origin`);

  await member!.stop();
  await registry.stop();
  await flip(node!.blobPath(broken[0]!));
  const alone = await node!.cli(['verify', '--dry-run']);
  t.is(alone.code, 5);
  t.true(await isThere(node!.blobPath(broken[0]!)));
});

test('pull --docker brings an image into the Docker Engine, under its name and with its id', async (t) => {
  if (!requireTool(t, 'root', 'docker-registry', 'dockerd', 'docker', 'containerd', 'runc')) return;
  t.timeout(180_000);
  const [registry, engine, { layout, children }] = await Promise.all([startDockerRegistry(t), startDockerd(t), multiPlatformImage(t)]);
  await pushLayout(registry, layout, 'multi', 'team/app');
  const agent = await startAgent(t, { origin: registry.url });
  const env = { DOCKER_HOST: `unix://${engine.socket}` };
  const reference = `${registry.host}/team/app:multi`;
  for (const [index, args] of [
    [0, ['--platform', 'linux/amd64']],
    [1, ['--platform', 'linux/arm64']],
  ] as const) {
    const { docker } = await agent.cliJson<{ docker: { name: string; id: string } }>(['pull', '--docker', ...args, 'team/app:multi'], {
      env,
    });
    const config = (JSON.parse(await readFile(layout.blobPath(children[index]!.digest), 'utf8')) as { config: { digest: string } }).config
      .digest;
    t.deepEqual(docker, { name: reference, id: config });
    t.is((await engine.dockerOk(['inspect', '--format', '{{.Id}}', reference])).stdout.trim(), config);
  }
  t.is((await agent.cli(['pull', '--docker', '--platform', 'all', 'team/app:multi'], { env })).code, 2);
  const { code, stderr } = await agent.cli(['pull', '--docker', 'team/app:multi'], {
    env: { DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
  });
  t.is(code, 1);
  t.regex(stderr, /the Docker Engine at unix:\/\/\/nonexistent\/docker.sock does not answer/);
});
