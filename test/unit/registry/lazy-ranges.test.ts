import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import type { SeenRequest } from '../../support/fault-proxy.ts';
import { type RawAnswer, send } from '../../support/raw-http.ts';
import { pushImage } from '../../support/registry-content.ts';
import { type RegistryNode, startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type OriginBehindFaults, startOrigin } from './origin-behind-faults.ts';

// Clients that check parts of a blob by themselves ask for many of them out of order.

const layer = randomBytes(1_000_000);

interface Fixture extends OriginBehindFaults {
  readonly node: RegistryNode;
  readonly part: (range: string) => Promise<RawAnswer>;
  readonly isInStore: () => boolean;
}

/** A node whose own fetch of the layer takes its time: from the beginning on, as the proxy lets it. */
async function start(t: ExecutionContext, lazyRanges: boolean): Promise<Fixture | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const behind = await startOrigin(t);
  const image = await pushImage(behind.registry, 'app', 'v1', [layer]);
  const node = await startRegistryNode(t, { origin: behind.origin, lazyRanges });
  t.is((await send(`${node.url}/v2/app/manifests/v1`)).status, 200);
  const { digest } = image.layers[0]!;
  behind.faults.inject({ kind: 'slow', bytesPerSecond: 500_000 }, { match: isWhole });
  return {
    ...behind,
    node,
    part: (range) => send(`${node.url}/v2/app/blobs/${digest.toString()}`, { headers: { range } }),
    isInStore: () => node.store.size(digest) !== undefined,
  };
}

const isWhole = ({ headers }: SeenRequest): boolean => headers.range === `bytes=0-${layer.length - 1}`;

test('a part in the middle comes at once, straight from the registry, and the rest behind it', async (t) => {
  const fixture = await start(t, true);
  if (fixture === undefined) return;
  const { node, part, isInStore, faults } = fixture;
  for (const [range, from, to] of [
    ['bytes=-1000', layer.length - 1000, layer.length],
    ['bytes=500000-500999', 500_000, 501_000],
  ] as const) {
    const answer = await part(range);
    t.is(answer.status, 206);
    t.deepEqual(answer.body, layer.subarray(from, to));
    t.false(isInStore(), 'not behind all that is before it');
  }
  t.is(node.counters.vouchedBytes, 2000);
  t.true(faults.requests.some(({ headers }) => headers.range === `bytes=${layer.length - 1000}-${layer.length - 1}`));
  await waitFor('the whole blob', isInStore);
  t.deepEqual((await part('bytes=10-19')).body, layer.subarray(10, 20));
  t.is(node.counters.vouchedBytes, 2000, 'what is here is proven');
  t.is(node.exchange.interested, 0);
});

test('whoever goes on after a cut waits for what is proven', async (t) => {
  const fixture = await start(t, true);
  if (fixture === undefined) return;
  const { node, part } = fixture;
  t.deepEqual((await part('bytes=400000-')).body, layer.subarray(400_000));
  t.is(node.counters.vouchedBytes, 0);
});

test('without it a part waits for what is before it', async (t) => {
  const fixture = await start(t, false);
  if (fixture === undefined) return;
  const { node, part, faults } = fixture;
  t.deepEqual((await part('bytes=-1000')).body, layer.subarray(-1000));
  t.is(node.counters.vouchedBytes, 0);
  t.is(
    faults.requests.filter(
      ({ headers }) =>
        headers.range !== undefined && headers.range.endsWith(`-${layer.length - 1}`) && !headers.range.startsWith('bytes=0-'),
    ).length,
    0,
  );
});

test('a part that the registry refuses is what the fetch gives, and its status where that has nothing', async (t) => {
  const fixture = await start(t, true);
  if (fixture === undefined) return;
  const { part, faults } = fixture;
  const heal = faults.inject({ kind: 'status', status: 403 }, { match: ({ method, url }) => method === 'GET' && url.includes('/blobs/') });
  t.is((await part('bytes=-1000')).status, 404);
  heal();
  faults.inject({ kind: 'status', status: 403 }, { match: (request) => request.headers.range !== undefined && !isWhole(request) });
  t.deepEqual((await part('bytes=-1000')).body, layer.subarray(-1000));
});
