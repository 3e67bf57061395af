import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { SeedResult } from '../../src/control/seed-operation.ts';
import { startContainerd } from '../support/containerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { multiPlatformImage, pushLayout, smallImage } from '../support/images.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { createPodman } from '../support/podman.ts';
import { writeRegistriesConf } from '../support/registries-conf.ts';
import { getManifest, pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { skopeoOk } from '../support/skopeo.ts';
import { writeTar } from '../support/tar-file.ts';
import { tempDir } from '../support/temp-dir.ts';

const uploadsOf = (registry: DockerRegistry): number =>
  registry.requests().filter(({ method, url, status }) => method === 'PUT' && /\/blobs\/uploads\//.test(url) && status === 201).length;

/** A registry, and two nodes of its swarm. */
async function site(t: ExecutionContext): Promise<{ registry: DockerRegistry; first: Agent; second: Agent }> {
  const registry = await startDockerRegistry(t);
  const first = await startAgent(t, { origin: registry.url });
  const second = await startAgent(t, { bootstrap: bootstrapOf(first) });
  await second.waitForStatus('an origin', ({ origin }) => origin.source === 'learned');
  return { registry, first, second };
}

test('an image that was built in a Docker Engine keeps its digest, however often it is seeded', async (t) => {
  if (!requireTool(t, 'root', 'docker-registry', 'dockerd', 'docker', 'containerd', 'runc', 'skopeo')) return;
  const { registry, first, second } = await site(t);
  const docker = await startDockerd(t);
  const tar = await writeTar(join(tempDir(t), 'rootfs.tar'), [{ name: 'etc/random', content: randomBytes(300_000) }]);
  await docker.dockerOk(['import', tar, 'team/built:1']);
  const seed = (...more: string[]): Promise<SeedResult> =>
    first.cliJson<SeedResult>(['seed', 'docker://team/built:1', '--json', ...more], { env: { DOCKER_HOST: `unix://${docker.socket}` } });

  const once = await seed();
  t.is(once.identity, 'engine');
  t.is(once.tag, 'new');
  t.is(uploadsOf(registry), 2, 'a config and a layer');
  const receipt = await second.cliJson<{ digest: string; fromOriginBytes: number; fromPeersBytes: number }>([
    'pull',
    'team/built:1',
    '--json',
  ]);
  t.is(receipt.digest, once.digest);
  t.is(receipt.fromOriginBytes, 0, 'the node that seeded it is the first seeder');

  const again = await seed();
  t.is(again.digest, once.digest);
  t.is(again.identity, 'origin');
  const elsewhere = await seed('--as', 'other/name:2');
  t.is(elsewhere.digest, once.digest);
  t.is(elsewhere.identity, 'seeded-before');
  t.is(elsewhere.mounted.blobs, 2);
  t.is(uploadsOf(registry), 2, 'nothing was sent twice');

  const { Digest } = JSON.parse((await skopeoOk(['inspect', '--tls-verify=false', `docker://${registry.host}/other/name:2`])).stdout) as {
    Digest: string;
  };
  t.is(Digest, once.digest);
  t.regex(
    (await docker.dockerOk(['image', 'ls', '--digests', '--format', '{{.Repository}} {{.Digest}}'])).stdout.trim(),
    /^team\/built <none>$/,
    'the engine is left as it was',
  );

  // pulled back, the engine knows the registry's digest, and that is what counts
  await docker.dockerOk(['rmi', 'team/built:1']);
  await docker.dockerOk(['pull', `${registry.host}/other/name:2`]);
  await docker.dockerOk(['tag', `${registry.host}/other/name:2`, 'team/third:1']);
  const pulled = await first.cliJson<SeedResult>(['seed', 'docker://team/third:1', '--json'], {
    env: { DOCKER_HOST: `unix://${docker.socket}` },
  });
  t.is(pulled.digest, once.digest);
  t.is(uploadsOf(registry), 2);
});

test('an image that was built on another one is pulled by containerd and podman elsewhere, and of its base nothing is sent again', async (t) => {
  if (!requireTool(t, 'root', 'docker-registry', 'dockerd', 'docker', 'containerd', 'ctr', 'runc', 'podman')) return;
  t.timeout(240_000);
  const { registry, first, second } = await site(t);
  const docker = await startDockerd(t);
  const layout = await smallImage(t);
  await pushLayout(registry, layout, 'v1', 'team/base');
  const sent = uploadsOf(registry);
  const base = `${first.registryHost}/team/base:v1`;
  await docker.dockerOk(['pull', base]);
  const container = (await docker.dockerOk(['create', '--network', 'none', base, '/bin/sh'])).stdout.trim();
  const file = join(tempDir(t), 'new');
  writeFileSync(file, randomBytes(200_000));
  await docker.dockerOk(['cp', file, `${container}:/etc/new`]);
  await docker.dockerOk(['commit', container, 'team/derived:1']);

  const seed = (...more: string[]): Promise<SeedResult> =>
    first.cliJson<SeedResult>(['seed', 'docker://team/derived:1', ...more], { env: { DOCKER_HOST: `unix://${docker.socket}` } });
  const once = await seed();
  const { layers } = JSON.parse(readFileSync(layout.blobPath((await layout.tagged('v1')).digest), 'utf8')) as {
    layers: { digest: string }[];
  };
  t.deepEqual(
    once.layers.slice(0, 3).map(({ digest }) => digest),
    layers.map(({ digest }) => digest),
    'compressed by somebody else, as the origin has them',
  );
  t.is(once.layers.length, 4);
  t.deepEqual([once.uploaded.blobs, once.mounted.blobs], [2, 3]);
  t.is(uploadsOf(registry), sent + 2, 'a config and a layer');

  const [containerd, { podmanOk }] = [
    await startContainerd(t),
    createPodman(t, { registriesConf: writeRegistriesConf(tempDir(t), { prefix: 'docker.io', mirror: second.registryHost }) }),
  ];
  await containerd.ctrOk(['images', 'pull', '--hosts-dir', containerd.hostsDir(second.registry), 'docker.io/team/derived:1']);
  t.true((await containerd.ctrOk(['images', 'ls'])).stdout.includes(once.digest));
  await podmanOk(['pull', 'docker.io/team/derived:1']);
  t.is((await podmanOk(['image', 'inspect', '--format', '{{.Digest}}', 'docker.io/team/derived:1'])).stdout.trim(), once.digest);

  // what was seeded is remembered when its bytes are not here any more, and the origin has them
  await first.cliOk(['gc', '--max-bytes', '0']);
  const again = await seed('--as', 'other/name:2');
  t.is(again.digest, once.digest);
  t.is(again.identity, 'seeded-before');
  t.is(uploadsOf(registry), sent + 2);
});

test('a node that is the registry itself takes images of a Docker Engine, each layer once', async (t) => {
  if (!requireTool(t, 'root', 'dockerd', 'docker', 'containerd', 'runc')) return;
  t.timeout(180_000);
  const origin = await startAgent(t, { origin: 'embedded' });
  const member = await startAgent(t, { bootstrap: bootstrapOf(origin) });
  await member.waitForStatus('an origin', ({ origin: { source } }) => source === 'learned');
  const docker = await startDockerd(t);
  const tar = await writeTar(join(tempDir(t), 'rootfs.tar'), [{ name: 'etc/random', content: randomBytes(300_000) }]);
  await docker.dockerOk(['import', tar, 'team/built:1']);
  const container = (await docker.dockerOk(['create', '--network', 'none', 'team/built:1', '/bin/sh'])).stdout.trim();
  await docker.dockerOk(['cp', tar, `${container}:/etc/copy`]);
  await docker.dockerOk(['commit', container, 'team/derived:1']);
  const seed = (image: string, ...more: string[]): Promise<SeedResult> =>
    origin.cliJson<SeedResult>(['seed', `docker://${image}`, ...more], { env: { DOCKER_HOST: `unix://${docker.socket}` } });

  const built = await seed('team/built:1');
  t.deepEqual([built.identity, built.uploaded.blobs], ['engine', 2]);
  const derived = await seed('team/derived:1');
  t.is(derived.layers[0]!.digest, built.layers[0]!.digest);
  t.deepEqual([derived.uploaded.blobs, derived.mounted.blobs], [2, 1]);
  const other = await seed('team/derived:1', '--as', 'other/name:2');
  t.deepEqual([other.digest, other.uploaded.blobs], [derived.digest, 0]);
  t.is((await member.cliJson<{ digest: string }>(['pull', 'other/name:2'])).digest, derived.digest);
  await origin.cliOk(['verify']);
});

test('layouts, archives and tarballs are seeded with their own digests, once', async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo')) return;
  const { registry, first, second } = await site(t);
  const { layout, index } = await multiPlatformImage(t);
  const dry = await first.cliJson<SeedResult>(['seed', `oci:${layout.dir}:multi`, '--as', 'team/multi:v1', '--dry-run', '--json']);
  t.is(dry.tag, 'new');
  t.is(registry.requests().filter(({ method }) => method !== 'HEAD' && method !== 'GET').length, 0, 'a dry run writes nothing');
  const result = await first.cliJson<SeedResult>(['seed', `oci:${layout.dir}:multi`, '--as', 'team/multi:v1', '--json']);
  t.is(result.digest, index.digest);
  t.deepEqual(result.uploaded, dry.uploaded);
  const sent = uploadsOf(registry);
  t.is((await getManifest(second.registry, 'team/multi', 'v1')).digest, index.digest);
  t.true((await pullEverything(second.registry, 'team/multi', 'v1')) > 0);
  t.is(registry.blobBytes(), 0, 'no byte of a blob is read from the origin');

  const again = await first.cliJson<SeedResult>(['seed', `oci:${layout.dir}:multi`, '--as', 'team/multi:v1', '--json']);
  t.is(again.tag, 'same');
  t.is(uploadsOf(registry), sent);

  const archives = tempDir(t);
  await skopeoOk(['copy', `oci:${(await smallImage(t)).dir}:v1`, `docker-archive:${join(archives, 'saved.tar')}:team/saved:3`]);
  const saved = await first.cliJson<SeedResult>(['seed', `docker-archive:${join(archives, 'saved.tar')}`, '--json']);
  t.regex(saved.reference, /\/team\/saved:3$/);
  t.true((await pullEverything(second.registry, 'team/saved', '3')) > 0);

  // the tag moves: the other node gives the new digest at once, and the image is on it when the command returns
  const other = await smallImage(t);
  const wave = await first.cliJson<SeedResult>(['seed', `oci:${other.dir}:v1`, '--as', 'team/multi:v1', '--everywhere', '--json']);
  t.deepEqual(
    wave.nodes?.map(({ state }) => state),
    ['done', 'done'],
  );
  t.true(wave.complete);
  t.is((await getManifest(second.registry, 'team/multi', 'v1')).digest, wave.digest);

  const missing = await first.cli(['seed', 'oci:/nonexistent', '--as', 'a/b:1']);
  t.is(missing.code, 3);
  const nameless = await first.cli(['seed', `oci:${layout.dir}:multi`]);
  t.is(nameless.code, 2);
  t.regex(nameless.stderr, /--as NAME:TAG/);
});
