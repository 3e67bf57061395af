import test, { type ExecutionContext } from 'ava';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startContainerd } from '../support/containerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { multiPlatformImage, pushLayout, smallImage } from '../support/images.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { runOk } from '../support/process.ts';
import { metric } from '../support/observe.ts';
import { ask, getManifest, pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { skopeoCopy } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';

/** The origin, and a node that learns of it from the swarm. */
async function site(t: ExecutionContext): Promise<{ origin: Agent; node: Agent }> {
  const origin = await startAgent(t, { origin: 'embedded' });
  const node = await startAgent(t, { bootstrap: bootstrapOf(origin) });
  await node.waitForStatus('an origin', (status) => status.origin.source === 'learned');
  return { origin, node };
}

test('what skopeo pushes to a node that is the origin is pulled elsewhere', async (t) => {
  if (!requireTool(t, 'skopeo')) return;
  const { origin, node } = await site(t);
  const { layout, index } = await multiPlatformImage(t);
  await skopeoCopy(`oci:${layout.dir}:multi`, `docker://${origin.registryHost}/team/multi:v1`);
  t.is((await getManifest(node.registry, 'team/multi', 'v1')).digest, index.digest);
  t.true((await pullEverything(node.registry, 'team/multi', 'v1')) > 0);
  // the member that is asked is a registry like another; blobs may come from it as from any member that holds them
  t.true((await metric(node, 'layerswarm_origin_requests_total{registry="origin",code="200"}'))! > 0);
  t.is((await getManifest(node.registry, 'team/multi', 'none')).status, 404);
  t.true((await metric(node, 'layerswarm_origin_requests_total{registry="origin",code="404"}'))! > 0);
});

test('what dockerd pushes to a node that is the origin is pulled elsewhere', async (t) => {
  if (!requireTool(t, 'root', 'dockerd', 'docker', 'containerd', 'runc')) return;
  const { origin, node } = await site(t);
  const { dockerOk } = await startDockerd(t);
  const tree = tempDir(t, 'tree');
  await runOk('sh', ['-c', 'mkdir -p etc && head -c 300000 /dev/urandom > etc/random && tar -cf ../image.tar .'], { cwd: tree });
  t.teardown(() => runOk('rm', ['-f', join(tree, '../image.tar')]));
  const reference = `${origin.registryHost}/team/imported:v1`;
  await dockerOk(['import', join(tree, '../image.tar'), reference]);
  await dockerOk(['push', reference]);
  t.true((await pullEverything(node.registry, 'team/imported', 'v1')) > 300_000);
  await dockerOk(['pull', `${node.registryHost}/team/imported:v1`]);
});

test('what containerd pushes to a node that is the origin is pulled elsewhere', async (t) => {
  if (!requireTool(t, 'root', 'containerd', 'ctr')) return;
  const { origin, node } = await site(t);
  const { ctrOk } = await startContainerd(t);
  const layout = await smallImage(t);
  const archive = join(tempDir(t), 'image.tar');
  await runOk('tar', ['-C', layout.dir, '-cf', archive, '.']);
  const reference = `${origin.registryHost}/team/app:v1`;
  await ctrOk(['images', 'import', '--no-unpack', '--base-name', `${origin.registryHost}/team/app`, archive]);
  await ctrOk(['images', 'push', '--plain-http', reference]);
  t.is((await getManifest(node.registry, 'team/app', 'v1')).digest, (await layout.tagged('v1')).digest);
  t.true((await pullEverything(node.registry, 'team/app', 'v1')) > 0);
});

test('what was pushed is there after the origin was killed and started again', async (t) => {
  const origin = await startAgent(t, { origin: 'embedded' });
  const { digest } = await pushLayout({ url: origin.registry }, await smallImage(t), 'v1', 'team/app');
  await origin.kill();
  const again = await startAgent(t, { origin: 'embedded', data: origin.data });
  t.is((await getManifest(again.registry, 'team/app', 'v1')).digest, digest);
  t.true((await pullEverything(again.registry, 'team/app', 'v1')) > 0);
  await again.cliOk(['verify']);
});

test('a node that is not the origin takes no push', async (t) => {
  const { node } = await site(t);
  const answer = await ask(node.registry, '/v2/team/app/blobs/uploads/', { method: 'POST' });
  t.true([403, 404, 405].includes(answer.status), String(answer.status));
});

test('the embedded origin lists its tags, page by page, and its referrers', async (t) => {
  const origin = await startAgent(t, { origin: 'embedded' });
  const layout = await smallImage(t);
  const subject = await pushLayout({ url: origin.registry }, layout, 'v1', 'team/app');
  const manifest = await getManifest(origin.registry, 'team/app', 'v1');
  for (const tag of ['v2', 'v3']) {
    t.is(
      (
        await ask(origin.registry, `/v2/team/app/manifests/${tag}`, {
          method: 'PUT',
          body: new Uint8Array(manifest.bytes),
          headers: { 'content-type': subject.mediaType },
        })
      ).status,
      201,
    );
  }
  const first = await ask(origin.registry, '/v2/team/app/tags/list?n=2');
  t.deepEqual(JSON.parse(first.bytes.toString()), { name: 'team/app', tags: ['v1', 'v2'] });
  const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1];
  t.deepEqual(JSON.parse((await ask(origin.registry, next!)).bytes.toString()), { name: 'team/app', tags: ['v3'] });

  const artifact = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: subject.mediaType,
      artifactType: 'application/vnd.example.sbom',
      config: (JSON.parse(manifest.bytes.toString()) as { config: object }).config,
      layers: [],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    }),
  );
  t.is(
    (
      await ask(origin.registry, '/v2/team/app/manifests/sbom', {
        method: 'PUT',
        body: artifact,
        headers: { 'content-type': subject.mediaType },
      })
    ).headers.get('oci-subject'),
    subject.digest,
  );
  const referrers = JSON.parse((await ask(origin.registry, `/v2/team/app/referrers/${subject.digest}`)).bytes.toString()) as {
    manifests: { artifactType: string }[];
  };
  t.deepEqual(
    referrers.manifests.map(({ artifactType }) => artifactType),
    ['application/vnd.example.sbom'],
  );
});

test('images of a node that is the origin are called by its name, on every node and in every command', async (t) => {
  const origin = await startAgent(t, { origin: 'embedded', args: ['--name', 'Reg_1', '--log-format', 'json'] });
  const node = await startAgent(t, { bootstrap: bootstrapOf(origin), args: ['--exclude', 'reg-1.embedded/secret/*'] });
  await node.waitForStatus('the name', ({ origin }) => origin.name === 'reg-1.embedded');
  const { digest } = await pushLayout({ url: origin.registry }, await smallImage(t), 'v1', 'team/app');
  const reference = 'reg-1.embedded/team/app:v1';
  for (const args of [
    ['pull', reference],
    ['pin', reference],
    ['pull', `${reference}@${digest}`],
    ['why', reference],
    ['pull', '--dry-run', 'team/app:v1'],
    ['pin'],
    ['images'],
  ]) {
    const { stdout } = await node.cliOk(args);
    t.true(stdout.includes('reg-1.embedded/team/app'), `${args.join(' ')}: ${stdout}`);
    t.notRegex(stdout, /12d3koow/, args.join(' '));
  }
  t.deepEqual(
    (await node.status()).images.map((image) => image.reference),
    [reference],
  );
  t.is((await ask(node.registry, '/v2/team/app/manifests/v1?ns=reg-1.embedded')).status, 200);
  t.regex(
    (await ask(node.registry, '/v2/team/app/manifests/v1?ns=other.embedded')).bytes.toString(),
    /this node mirrors reg-1\.embedded, docker\.io, not/,
  );
  t.regex(
    (await node.cli(['pull', 'other.embedded/team/app:v1'])).stderr,
    /expected an image of reg-1\.embedded or docker\.io, received other\.embedded/,
  );
  t.true(node.program.stderr.includes(`pulled ${reference}`));
  t.notRegex(node.program.stderr + origin.program.stderr, /12d3koow/);
  const swarm = JSON.stringify(await (await fetch(`${node.info.status}/api/v1/swarm`)).json());
  t.true(swarm.includes(`"reference":"${reference}"`));
  t.notRegex(swarm, /12d3koow/);
});

test('the name stays with the data folder, until another is given', async (t) => {
  const first = await startAgent(t, { origin: 'embedded', args: ['--name', 'first'] });
  const node = await startAgent(t, { bootstrap: bootstrapOf(first) });
  await pushLayout({ url: first.registry }, await smallImage(t), 'v1', 'team/app');
  await node.cliOk(['pull', 'first.embedded/team/app:v1']);
  await first.stop();
  t.is((await node.status()).origin.name, 'first.embedded');
  const renamedHost = await startAgent(t, { origin: 'embedded', data: first.data, args: ['--name', 'second'] });
  t.deepEqual(
    (await renamedHost.status()).images.map(({ reference }) => reference),
    ['first.embedded/team/app:v1'],
  );
  await renamedHost.stop();
  const told = await startAgent(t, {
    origin: 'embedded',
    data: first.data,
    bootstrap: bootstrapOf(node),
    args: ['--origin-name', 'third'],
  });
  t.deepEqual(
    (await told.status()).images.map(({ reference }) => reference),
    ['third.embedded/team/app:v1'],
  );
  const renamed = await node.waitForStatus('the new name', ({ origin }) => origin.name === 'third.embedded');
  t.deepEqual(
    renamed.images.map(({ reference }) => reference),
    ['third.embedded/team/app:v1'],
    'what was pulled before has it too',
  );
  t.is((await node.cli(['pull', 'first.embedded/team/app:v1'])).code, 2);
});

test('two nodes that are the origin under one name are a conflict, and no mix of both', async (t) => {
  const origin = await startAgent(t, { origin: 'embedded', args: ['--origin-name', 'reg'] });
  const node = await startAgent(t, { bootstrap: bootstrapOf(origin) });
  const { digest } = await pushLayout({ url: origin.registry }, await smallImage(t), 'v1', 'team/app');
  await node.cliOk(['pull', 'reg.embedded/team/app:v1']);
  await node.stop();
  // long settled, as after ten minutes
  const memory = join(node.data, 'origin.json');
  await writeFile(memory, JSON.stringify({ ...(JSON.parse(await readFile(memory, 'utf8')) as object), learnedAt: 0 }));
  const settled = await startAgent(t, { data: node.data, bootstrap: bootstrapOf(origin) });
  await settled.waitForPeers(1);
  const other = await startAgent(t, { origin: 'embedded', bootstrap: bootstrapOf(settled), args: ['--origin-name', 'reg'] });
  await pushLayout({ url: other.registry }, await smallImage(t), 'v1', 'team/app');
  for (const agent of [settled, other]) {
    const { health, origin } = await agent.waitForStatus(
      'the conflict',
      ({ origin }) => origin.state === 'conflict' && origin.reason?.match(/ called reg/g)?.length === 2,
    );
    t.regex(
      origin.reason ?? '',
      /different origins are named in this swarm \(embedded:\S+ called reg, embedded:\S+ called reg\): this node uses embedded:\S+; one node of a swarm may hold its origin/,
    );
    t.is(health.parts['origin']?.level, 'degraded');
  }
  t.is((await getManifest(settled.registry, 'team/app', 'v1')).digest, digest, 'who knows one stays with it');
  t.not((await getManifest(other.registry, 'team/app', 'v1')).digest, digest);
});
