import test from 'ava';
import { randomBytes } from 'node:crypto';
import { Digest } from '../../../src/oci/digest.ts';
import { send } from '../../support/raw-http.ts';
import { pushImage, type PushedImage } from '../../support/registry-content.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { codeOf, keep, layerPath, real, REPOSITORY, start } from './node-before-origin.ts';

// A node whose real registry is away, hangs or answers errors, or is not known yet.

for (const [title, fault] of [
  ['is down', undefined],
  ['answers 500', { kind: 'status', status: 500 }],
  ['answers 503', { kind: 'status', status: 503 }],
  ['answers 429', { kind: 'status', status: 429, headers: { 'retry-after': '60' } }],
  ['resets connections', { kind: 'reset' }],
  ['hangs', { kind: 'hang' }],
] as const) {
  real(`an origin that ${title}: a warm tag is served as stale, a cold one is a 503, and the base answers`, async (t) => {
    const { get, image, faults, node, full } = await start(t, title === 'hangs' ? { timing: { originTimeout: 200 } } : {});
    await keep(node, full, 'v1', image);
    if (fault === undefined) await faults.close();
    else faults.inject(fault);
    node.clock.now += 30_001;
    const stale = await get('manifests/v1');
    t.is(stale.status, 200);
    t.deepEqual(stale.body, image.manifest);
    t.regex(String(stale.headers['warning']), /^299 layerswarm "the origin is away; this is what it said to this node at \d{4}-/);
    t.is(node.counters.stale, 1);
    t.is((await get(layerPath(image))).status, 200);

    const cold = await get('manifests/v2');
    t.is(cold.status, 503);
    t.is(codeOf(cold), 'UNAVAILABLE');
    t.is(cold.headers['retry-after'], '5');
    t.is((await send(`${node.url}/v2/`)).status, 200);
    const tags = await get('tags/list');
    t.deepEqual(JSON.parse(tags.body.toString()), { name: REPOSITORY, tags: ['v1'] });
    t.truthy(tags.headers['warning']);

    node.clock.now += 8 * 24 * 3_600_000;
    t.is((await get('manifests/v1')).status, 503, 'too old to be served');
  });
}

real('an origin that hangs costs the first client its time-out, and those after it nothing', async (t) => {
  const { get, faults } = await start(t, { timing: { originTimeout: 300 } });
  faults.inject({ kind: 'hang' });
  t.is((await get('manifests/v1')).status, 503);
  const asked = faults.requests.length;
  t.is((await get('manifests/v1')).status, 503);
  t.is((await get('manifests/v2')).status, 503);
  t.is(faults.requests.length, asked);
});

real('headers do not wait for an origin that hangs, whatever it is asked', async (t) => {
  const { get, faults } = await start(t, { deadlineMs: 300 });
  faults.inject({ kind: 'hang' });
  for (const path of ['manifests/v1', 'tags/list', `blobs/${Digest.of(randomBytes(8)).toString()}`]) {
    const answer = await get(path);
    t.is(answer.status, 503, path);
    t.is(codeOf(answer), 'UNAVAILABLE');
  }
});

real('what members agree on is served while the origin is down, with their names, and nothing where they do not', async (t) => {
  const remembered = Promise.withResolvers<PushedImage>();
  let age = 0;
  let wanted = 1;
  const { get, registry, image, faults, node } = await start(t, {
    tagMemory: async (repository, tag) => {
      if (repository !== REPOSITORY || tag !== 'v1') return { agreed: undefined, heard: 0, wanted };
      return {
        agreed: wanted > 1 ? undefined : { digest: (await remembered.promise).digest, checkedAt: Date.now() - age, witnesses: ['peerA'] },
        heard: 1,
        wanted,
      };
    },
  });
  const next = await pushImage(registry, REPOSITORY, 'v1', [randomBytes(100)]);
  remembered.resolve(next);
  for (const bytes of [next.manifest, next.config.bytes, next.layers[0]!.bytes])
    node.exchange.members.set(Digest.of(bytes).toString(), bytes);
  await faults.close();
  const answer = await get('manifests/v1');
  t.is(answer.status, 200);
  t.is(answer.headers['docker-content-digest'], next.digest.toString());
  t.regex(String(answer.headers['warning']), /^299 layerswarm "the origin is away; this is what peerA heard from it, last at \d{4}-/);
  t.deepEqual((await get(layerPath(next))).body, next.layers[0]!.bytes);
  t.not(next.digest.toString(), image.digest.toString());
  age = 8 * 24 * 3_600_000;
  t.is((await get('manifests/v1')).status, 503);
  [age, wanted] = [0, 2];
  const refused = await get('manifests/v1');
  t.is(refused.status, 503);
  t.regex(refused.body.toString(), /of 1 members that remember this tag too few agree, on 2 different hosts/);
});

real('what this node heard from the origin itself comes before what members say', async (t) => {
  const other = Digest.of(Buffer.from('never there'));
  const { get, image, faults, node, full } = await start(t, {
    tagMemory: () =>
      Promise.resolve({ agreed: { digest: other, checkedAt: Date.now() + 1, witnesses: ['liar', 'friend'] }, heard: 2, wanted: 2 }),
  });
  await keep(node, full, 'v1', image);
  node.clock.now += 60_000;
  await faults.close();
  const answer = await get('manifests/v1');
  t.is(answer.headers['docker-content-digest'], image.digest.toString());
  t.regex(String(answer.headers['warning']), /this is what it said to this node at/);
});

real('with the origin away a node that has nothing serves an image by digest from the members', async (t) => {
  const { get, image, faults, node } = await start(t);
  await faults.close();
  t.is((await get(`manifests/${image.digest.toString()}`)).status, 503);
  node.exchange.members.set(image.digest.toString(), image.manifest);
  node.exchange.members.set(image.config.digest.toString(), image.config.bytes);
  const missing = await get(`manifests/${image.digest.toString()}`);
  t.is(missing.status, 503);
  t.true(missing.body.toString().includes(image.layers[0]!.digest.toString()), 'it says what is missing');
  for (const { digest, bytes } of image.layers) node.exchange.members.set(digest.toString(), bytes);
  t.deepEqual((await get(`manifests/${image.digest.toString()}`)).body, image.manifest);
  t.deepEqual((await get(layerPath(image))).body, image.layers[0]!.bytes);
});

real('a blob that is linked but cannot be had is a 503, not a body that is cut', async (t) => {
  const { get, image, faults, node } = await start(t);
  await get('manifests/v1');
  await faults.close();
  node.clock.now += 30_001;
  const answer = await get(layerPath(image));
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /no member has/);
  t.deepEqual(node.counters.cuts, []);
});

test('a node that knows no origin answers the base, and says why it cannot serve', async (t) => {
  const node = await startRegistryNode(t, { origin: undefined });
  t.is((await send(`${node.url}/v2/`)).status, 200);
  const answer = await send(`${node.url}/v2/${REPOSITORY}/manifests/v1`);
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /does not know its origin yet/);
});
