import anyTest, { type TestFn } from 'ava';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { type Containerd, startContainerd } from '../support/containerd.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { startDockerd } from '../support/dockerd.ts';
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from '../support/fault-proxy.ts';
import { pushLayout } from '../support/images.ts';
import { type Agent, startAgent } from '../support/layerswarm.ts';
import { type Layer, OciLayout } from '../support/oci-layout.ts';
import { createPodman } from '../support/podman.ts';
import { runOk } from '../support/process.ts';
import { writeRegistriesConf } from '../support/registries-conf.ts';
import { startRegistryUnderPath } from '../support/registry-under-path.ts';
import { findTool, requireTool } from '../support/require-tool.ts';
import { skopeoOk } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

// What real registries do, and what containerd, skopeo and podman do next: whatever it is, a pull that works directly works through
// a node, by the node itself where that can be, else since the client goes on to the registry.

const TOOLS = ['root', 'docker-registry', 'containerd', 'ctr', 'runc', 'skopeo'];
const LAYER_BYTES = 300_000;

interface Context {
  stack: CleanupStack;
  /** Where clients go by themselves. */
  registry: DockerRegistry;
  /** How the node sees it. */
  faults: FaultProxy;
  agent: Agent;
  containerd: Containerd;
  registriesConf: string;
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (TOOLS.some((tool) => tool !== 'root' && findTool(tool) === undefined) || process.getuid?.() !== 0) return;
  const registry = await startDockerRegistry(stack);
  const faults = await startFaultProxy(stack, registry.url);
  const agent = await startAgent(stack, { origin: faults.url, args: ['--mirrors', registry.host] });
  const containerd = await startContainerd(stack);
  const registriesConf = writeRegistriesConf(tempDir(stack), { prefix: registry.host, mirror: agent.registryHost });
  Object.assign(t.context, { registry, faults, agent, containerd, registriesConf });
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

/** Pushes an image that nobody has seen. */
async function pushNew(context: Context, repository: string, layerBytes = LAYER_BYTES): Promise<void> {
  const layout = await OciLayout.create(join(tempDir(context.stack, 'img'), 'layout'));
  const layers: Layer[] = [];
  for (const name of ['one', 'two'])
    layers.push(await layout.addLayer({ [`etc/${name}`]: randomBytes(layerBytes / 2).toString('hex') }, 'none'));
  await layout.addImage({ layers, tag: 'v1' });
  await pushLayout(context.registry, layout, 'v1', repository);
}

type Client = 'containerd' | 'skopeo' | 'podman';

async function pull(context: Context, client: Client, repository: string, agent = context.agent): Promise<void> {
  const { registry, containerd, stack } = context;
  const registriesConf =
    agent === context.agent
      ? context.registriesConf
      : writeRegistriesConf(tempDir(stack), { prefix: registry.host, mirror: agent.registryHost });
  const reference = `${registry.host}/${repository}:v1`;
  if (client === 'skopeo')
    await skopeoOk(['copy', `docker://${reference}`, `dir:${join(tempDir(stack, 'out'), 'image')}`], { registriesConf });
  else if (client === 'podman') await createPodman(stack, { registriesConf }).podmanOk(['pull', reference]);
  else
    await containerd.ctrOk([
      'images',
      'pull',
      '--hosts-dir',
      containerd.hostsDir(agent.registry, { name: registry.host, url: registry.url }),
      reference,
    ]);
}

const isBlob = ({ method, url }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');
const isRanged = (request: SeenRequest): boolean => isBlob(request) && request.headers.range !== undefined;
const isManifestHead = ({ method, url }: SeenRequest): boolean => method === 'HEAD' && url.includes('/manifests/');

interface Case {
  readonly title: string;
  readonly fault: Fault;
  readonly on: (request: SeenRequest) => boolean;
  /** The node brings the image itself, and reads less than two copies of it for that. */
  readonly mended?: boolean;
  /** Bytes of each of two layers; few where one range is enough. */
  readonly layerBytes?: number;
}

const CASES: readonly Case[] = [
  ...[400, 401, 403, 404, 500].map((status): Case => ({
    title: `blobs are answered ${status}`,
    fault: { kind: 'status', status },
    on: isBlob,
  })),
  { title: 'blobs come in an encoding', fault: { kind: 'headers', set: { 'content-encoding': 'gzip' } }, on: isBlob },
  ...[400, 416, 501].map((status): Case => ({
    title: `ranges are answered ${status}`,
    fault: { kind: 'status', status },
    on: isRanged,
    mended: true,
  })),
  { title: 'ranges are ignored', fault: { kind: 'norange' }, on: isRanged, mended: true },
  { title: 'ranges have no Content-Range', fault: { kind: 'headers', set: { 'content-range': undefined } }, on: isRanged, mended: true },
  {
    title: 'ranges have another Content-Range',
    fault: { kind: 'headers', set: { 'content-range': 'bytes 7-9/10' } },
    on: isRanged,
    mended: true,
  },
  { title: 'ranges are other bytes than they say', fault: { kind: 'lyingrange' }, on: isRanged, layerBytes: 4_000_000 },
  ...[400, 403, 404, 500].map((status): Case => ({
    title: `HEAD of a manifest is answered ${status}`,
    fault: { kind: 'status', status },
    on: isManifestHead,
    mended: true,
  })),
];

for (const [index, { title, fault, on, mended = false, layerBytes }] of CASES.entries()) {
  test.serial(`containerd and skopeo pull although ${title}`, async (t) => {
    if (!requireTool(t, ...TOOLS)) return;
    const { context } = t;
    for (const client of ['containerd', 'skopeo'] as const) {
      const repository = `team/case${index}-${client}`;
      await pushNew(context, repository, layerBytes);
      const isHere = (request: SeenRequest): boolean => request.url.includes(`/v2/${repository}/`);
      const heal = context.faults.inject(fault, { match: (request) => isHere(request) && on(request) });
      await t.notThrowsAsync(pull(context, client, repository), client);
      heal();
      if (!mended) continue;
      const bytes = context.faults.requests
        .filter((request) => isHere(request) && isBlob(request) && request.status < 300)
        .reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
      t.true(bytes >= 2 * LAYER_BYTES, `${client} got it from the node, which read ${bytes} bytes`);
      t.true(bytes <= 2 * 2 * (LAYER_BYTES + 10_000), `${bytes} bytes are less than two copies`);
    }
  });
}

test.serial('a registry under a path is an origin and a mirror, for references to it and to what it stands for', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  const { registry, containerd, stack } = t.context;
  await pushNew(t.context, 'hub-proxy/library/pathed');
  // nothing else is there, as in a registry whose /v2/ is 404 for all but repositories
  const harbor = await startRegistryUnderPath(stack, registry.url, '/v2/');
  for (const settings of [
    ['--mirrors', `docker.io=${harbor.url}/hub-proxy`],
    ['--origin', `${harbor.url}/hub-proxy`],
  ]) {
    const agent = await startAgent(stack, { args: settings });
    await containerd.ctrOk([
      'images',
      'pull',
      '--hosts-dir',
      containerd.hostsDir(agent.registry, { name: 'docker.io', url: 'http://127.0.0.1:1' }),
      'docker.io/library/pathed:v1',
    ]);
    await containerd.ctrOk(['images', 'rm', '--sync', 'docker.io/library/pathed:v1']);
    await agent.cliOk(['pull', 'docker.io/library/pathed:v1']);
    if (settings[0] === '--origin') {
      const registriesConf = writeRegistriesConf(tempDir(stack), {
        prefix: harbor.host,
        location: '127.0.0.1:1',
        mirror: agent.registryHost,
      });
      await skopeoOk(['copy', `docker://${harbor.host}/hub-proxy/library/pathed:v1`, `dir:${join(tempDir(stack, 'out'), 'image')}`], {
        registriesConf,
      });
      await agent.cliOk(['pull', `${harbor.host}/hub-proxy/library/pathed:v1`]);
    }
    const { images } = await agent.status();
    t.true(images.every(({ complete }) => complete) && images.length > 0);
    await agent.stop();
  }
});

test.serial('dockerd and podman pull through the node although ranges and HEADs fail', async (t) => {
  if (!requireTool(t, ...TOOLS, 'podman', 'dockerd', 'docker')) return;
  const { faults, agent, stack } = t.context;
  const { dockerOk } = await startDockerd(stack);
  for (const [index, { title, fault, on }] of CASES.filter(
    ({ fault: { kind }, mended, on: hits }) => mended === true && (kind === 'norange' || hits === isManifestHead),
  )
    .slice(0, 2)
    .entries()) {
    for (const client of ['dockerd', 'podman'] as const) {
      const repository = `team/engine${index}-${client}`;
      await pushNew(t.context, repository);
      const heal = faults.inject(fault, { match: (request) => request.url.includes(`/v2/${repository}/`) && on(request) });
      // by the node's own address there is no next host
      await t.notThrowsAsync(
        client === 'podman' ? pull(t.context, 'podman', repository) : dockerOk(['pull', `${agent.registryHost}/${repository}:v1`]),
        `${client}, ${title}`,
      );
      heal();
    }
  }
});

test.serial('podman pulls although the node is refused every blob', async (t) => {
  if (!requireTool(t, ...TOOLS, 'podman')) return;
  await pushNew(t.context, 'team/podman');
  const heal = t.context.faults.inject(
    { kind: 'status', status: 403 },
    { match: (request) => request.url.includes('/team/podman/') && isBlob(request) },
  );
  await t.notThrowsAsync(pull(t.context, 'podman', 'team/podman'));
  heal();
});

test.serial('who asks again right after a failure joins the next attempt, and is told no state of the node', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  const { registry, faults, agent } = t.context;
  await pushNew(t.context, 'team/again');
  const manifest = (await (
    await fetch(`${registry.url}/v2/team/again/manifests/v1`, { headers: { accept: 'application/vnd.oci.image.manifest.v1+json' } })
  ).json()) as { layers: { digest: string }[] };
  const url = `${agent.registry}/v2/team/again/blobs/${manifest.layers[0]!.digest}`;
  const onLayer = (request: SeenRequest): boolean => request.url.includes(manifest.layers[0]!.digest) && isBlob(request);
  const heal = faults.inject({ kind: 'status', status: 403 }, { match: onLayer });
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => fetch(url)));
    for (const answer of answers) {
      t.is(answer.status, 404);
      t.notRegex(await answer.text(), /open already|internal/);
    }
  }
  heal();
  t.is((await fetch(url)).status, 200);
});

test.serial('a full disk passes images through, says so once, and is noticed to have room again', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  const { context } = t;
  const folder = join(tempDir(context.stack, 'full'), 'small');
  mkdirSync(folder);
  // less than the reserve: nothing of an image fits
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'none', folder]);
  context.stack.teardown(async () => {
    await runOk('umount', ['-l', folder]);
  });
  const agent = await startAgent(context.stack, {
    data: join(folder, 'data'),
    origin: context.faults.url,
    args: ['--mirrors', context.registry.host],
  });
  for (const client of ['containerd', 'skopeo'] as const) {
    const repository = `team/full-${client}`;
    await pushNew(context, repository);
    await t.notThrowsAsync(pull(context, client, repository, agent), client);
    t.true(
      context.faults.requests.some(
        (request) => request.url.includes(`/v2/${repository}/blobs/`) && isBlob(request) && request.bodyBytes >= LAYER_BYTES,
      ),
      'by the node',
    );
  }
  const { store } = (await agent.status()) as unknown as { store: { state: string; reason: string } };
  t.is(store.state, 'degraded');
  t.regex(store.reason, /free \d+ MiB/);
  const ready = await fetch(`${agent.info.status}/readyz`);
  t.is(ready.status, 200);
  t.like(await ready.json(), { ready: true, parts: { store: { level: 'bad' } } });
  t.regex(await (await fetch(`${agent.info.status}/metrics`)).text(), /^layerswarm_store_refusing 1$/m);
  t.is(agent.program.stderr.match(/takes no new blobs/g)?.length, 1);

  await runOk('mount', ['-o', 'remount,size=800m', folder]);
  await waitFor('room', async () => ((await agent.status()) as unknown as { store: { state: string } }).store.state === 'ok');
  await pushNew(context, 'team/room');
  await pull(context, 'skopeo', 'team/room', agent);
  await waitFor('the image in the store', async () => (await agent.status()).store.blobs >= 4);
});
