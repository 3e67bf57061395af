import anyTest, { type TestFn } from 'ava';
import { join } from 'node:path';
import { BIG_IMAGE_PROOF, bigImage, type TestImage } from '../support/big-image.ts';
import { startContainerd } from '../support/containerd.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { type DockerRegistry, isBlobRead, startDockerRegistry } from '../support/docker-registry.ts';
import { startDockerd } from '../support/dockerd.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { fileDigest } from '../support/oci-layout.ts';
import { createPodman } from '../support/podman.ts';
import { writeRegistriesConf } from '../support/registries-conf.ts';
import { findTool, requireTool } from '../support/require-tool.ts';
import { skopeoCopy, skopeoOk } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'library/debian-by-swarm';
const REFERENCE = `docker.io/${NAME}:v1`;
const TOOLS = ['root', 'mmdebstrap', 'docker-registry', 'skopeo'];

interface Context {
  stack: CleanupStack;
  image: TestImage;
  origin: DockerRegistry;
  /** Has nothing at first; the other node has the image. */
  agent: Agent;
  blobReadsBefore: number;
}
const test = anyTest as TestFn<Context>;

// One swarm for all the runtimes: a node that has the image, and the one that the runtimes pull through.
test.before(async (t) => {
  t.timeout(300_000);
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (TOOLS.some((tool) => tool !== 'root' && findTool(tool) === undefined) || process.getuid?.() !== 0) return;
  const image = await bigImage();
  const origin = await startDockerRegistry(stack);
  await skopeoCopy(`oci:${image.layout.dir}:${image.tag}`, `docker://${origin.host}/${NAME}:v1`);
  const seed = await startAgent(stack, { origin: origin.url });
  await seed.cliOk(['pull', `${NAME}:v1`], { deadline: 300_000 });
  const agent = await startAgent(stack, { origin: origin.url, bootstrap: bootstrapOf(seed) });
  await agent.waitForPeers(1);
  Object.assign(t.context, { image, origin, agent, blobReadsBefore: origin.requests().filter(isBlobRead).length });
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

test.serial('skopeo pulls under an unchanged name', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(300_000);
  const { agent, image } = t.context;
  const registriesConf = writeRegistriesConf(tempDir(t), { prefix: 'docker.io', mirror: agent.registryHost });
  const out = join(tempDir(t, 'out'), 'image');
  await skopeoCopy(`docker://${REFERENCE}`, `dir:${out}`, { registriesConf });
  for (const { digest } of image.blobs) t.is(await fileDigest(join(out, digest.replace('sha256:', ''))), digest);
  const { stdout } = await skopeoOk(['inspect', '--raw', `docker://${REFERENCE}`], { registriesConf });
  t.is(stdout.length, image.manifest.size);
});

test.serial('podman pulls under an unchanged name, and runs the image', async (t) => {
  if (!requireTool(t, ...TOOLS, 'podman')) return;
  t.timeout(300_000);
  const { podmanOk } = createPodman(t, {
    registriesConf: writeRegistriesConf(tempDir(t), { prefix: 'docker.io', mirror: t.context.agent.registryHost }),
  });
  await podmanOk(['pull', REFERENCE]);
  t.is((await podmanOk(['run', REFERENCE])).stdout.trim(), BIG_IMAGE_PROOF);
});

test.serial('dockerd pulls under an unchanged name, through its registry mirror, and runs the image', async (t) => {
  if (!requireTool(t, ...TOOLS, 'dockerd', 'docker', 'containerd', 'runc')) return;
  t.timeout(300_000);
  const { dockerOk } = await startDockerd(t, { mirror: t.context.agent.registry });
  const { stdout } = await dockerOk(['pull', REFERENCE]);
  t.true(stdout.includes(t.context.image.manifest.digest));
  t.is((await dockerOk(['run', '--rm', '--network', 'none', REFERENCE])).stdout.trim(), BIG_IMAGE_PROOF);
});

test.serial('dockerd pulls from the node by its address, and runs the image', async (t) => {
  if (!requireTool(t, ...TOOLS, 'dockerd', 'docker', 'containerd', 'runc')) return;
  t.timeout(300_000);
  const reference = `${t.context.agent.registryHost}/${NAME}:v1`;
  const { dockerOk } = await startDockerd(t);
  await dockerOk(['pull', reference]);
  t.is((await dockerOk(['run', '--rm', '--network', 'none', reference])).stdout.trim(), BIG_IMAGE_PROOF);
});

test.serial('containerd pulls under an unchanged name, through a hosts.toml, and runs the image', async (t) => {
  if (!requireTool(t, ...TOOLS, 'containerd', 'ctr', 'runc')) return;
  t.timeout(300_000);
  const { ctrOk, hostsDir } = await startContainerd(t);
  await ctrOk(['images', 'pull', '--hosts-dir', hostsDir(t.context.agent.registry), REFERENCE], { deadline: 240_000 });
  t.is((await ctrOk(['run', '--rm', REFERENCE, 'proof'])).stdout.trim(), BIG_IMAGE_PROOF);
});

test.serial('none of these pulls read a blob from the origin, since a member had them all', (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.is(t.context.origin.requests().filter(isBlobRead).length, t.context.blobReadsBefore);
});
