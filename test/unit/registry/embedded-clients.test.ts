import test from 'ava';
import { join } from 'node:path';
import { Digest } from '../../../src/oci/digest.ts';
import { OciLayout } from '../../support/oci-layout.ts';
import { requireTool } from '../../support/require-tool.ts';
import { send } from '../../support/raw-http.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { skopeoCopy, skopeoOk } from '../../support/skopeo.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('skopeo pushes an index with gzip, zstd and uncompressed layers, and pulls back the same bytes', async (t) => {
  if (!requireTool(t, 'skopeo')) return;
  const { host, store, images } = await startRegistryNode(t, { origin: 'embedded' });
  const dir = tempDir(t, 'layout');
  const layout = await OciLayout.create(join(dir, 'source'));
  const layers = await Promise.all(
    (['gzip', 'zstd', 'none'] as const).map((compression) =>
      layout.addLayer({ [`${compression}.txt`]: `a ${compression} layer` }, compression),
    ),
  );
  const amd = await layout.addImage({ layers, platform: { os: 'linux', architecture: 'amd64' } });
  const arm = await layout.addImage({ layers: layers.slice(1), platform: { os: 'linux', architecture: 'arm64' } });
  const index = await layout.addIndex([amd, arm], 'v1');

  await skopeoCopy(`oci:${layout.dir}:v1`, `docker://${host}/team/app:v1`);
  const { stdout } = await skopeoOk(['inspect', '--raw', '--tls-verify=false', `docker://${host}/team/app:v1`]);
  t.is(Digest.of(Buffer.from(stdout)).toString(), index.digest);
  t.deepEqual(images.tags('12d3koowtestpeer.embedded/team/app'), ['v1']);

  const back = await OciLayout.create(join(dir, 'back'));
  await skopeoCopy(`docker://${host}/team/app:v1`, `oci:${back.dir}:v1`);
  t.is((await back.tagged('v1')).digest, index.digest);
  const { blobs, manifests } = await layout.closure(index);
  for (const { digest } of [...blobs, ...manifests]) t.not(store.size(Digest.parse(digest)), undefined);

  await skopeoOk(['delete', '--tls-verify=false', `docker://${host}/team/app:v1`]);
  t.is((await send(`http://${host}/v2/team/app/manifests/v1`)).status, 404);
});

test('skopeo copies between repositories by mounting', async (t) => {
  if (!requireTool(t, 'skopeo')) return;
  const { host, counters } = await startRegistryNode(t, { origin: 'embedded' });
  const layout = await OciLayout.create(join(tempDir(t, 'layout'), 'source'));
  await layout.addImage({ layers: [await layout.addLayer({ 'a.txt': 'a' })], tag: 'v1' });
  await skopeoCopy(`oci:${layout.dir}:v1`, `docker://${host}/team/app:v1`);
  counters.answers.length = 0;
  await skopeoCopy(`docker://${host}/team/app:v1`, `docker://${host}/team/copy:v1`);
  t.is((await send(`http://${host}/v2/team/copy/manifests/v1`)).status, 200);
  // skopeo mounts layers, and copies the configuration
  t.is(counters.answers.filter(({ method, status }) => method === 'POST' && status === 201).length, 1);
  t.is(counters.answers.filter(({ method }) => method === 'PATCH').length, 1);
});
