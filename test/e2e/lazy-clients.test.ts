import anyTest, { type TestFn } from 'ava';
import { createHash, randomBytes } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { startContainerd } from '../support/containerd.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type EStargz, eStargz, LazyLayer } from '../support/estargz.ts';
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../support/fault-proxy.ts';
import { pushLayout } from '../support/images.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { type Descriptor, MEDIA_TYPE, OciLayout } from '../support/oci-layout.ts';
import { metric } from '../support/observe.ts';
import { send } from '../support/raw-http.ts';
import { findTool, requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

// Clients that check parts of a layer by themselves: with `emit: vouched` they get each part when they ask for it, while the rest of
// the layer is held up at the registry.

const REPOSITORY = 'library/lazy';
const CHUNK = 1 << 20;
const FILES = 72;
const TOOLS = ['docker-registry'];

interface Context {
  stack: CleanupStack;
  faults: FaultProxy;
  image: EStargz;
  layer: Descriptor;
  agent: Agent;
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  t.timeout(120_000);
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (findTool('docker-registry') === undefined) return;
  const registry = await startDockerRegistry(stack);
  const faults = await startFaultProxy(stack, registry.url);
  const image = await eStargz({ 'usr/lib/large': randomBytes((FILES - 4) * CHUNK), 'usr/bin/small': randomBytes(4 * CHUNK) }, CHUNK);
  const layout = await OciLayout.create(join(tempDir(stack, 'img'), 'layout'));
  const layer = {
    ...(await layout.addBlob(image.blob, MEDIA_TYPE.gzip)),
    annotations: { 'containerd.io/snapshot/stargz/toc.digest': image.tocDigest },
  };
  await layout.addImage({ layers: [{ descriptor: layer, diffId: image.diffId }], tag: 'v1' });
  await pushLayout(registry, layout, 'v1', REPOSITORY);
  Object.assign(t.context, { faults, image, layer, agent: await startLazily(stack, faults) });
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

async function startLazily(stack: CleanupStack, faults: FaultProxy, bootstrap: readonly string[] = []): Promise<Agent> {
  return await startAgent(stack, { origin: faults.url, bootstrap, args: ['--emit', 'vouched'] });
}

/** What a node reads at its own pace: more than any one part that is asked for here. */
const isBackground = ({ url, headers }: SeenRequest): boolean => {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  return url.includes('/blobs/') && Number(end) - Number(start) > 5 * CHUNK;
};

function blobUrl({ layer }: Context, agent: Agent): string {
  return `${agent.registry}/v2/${REPOSITORY}/blobs/${layer.digest}`;
}

function readFrom(url: string): (start: number, end: number) => Promise<Buffer> {
  return async (start, end) => {
    const { status, body } = await send(url, { headers: { range: `bytes=${start}-${end - 1}` } });
    if (status !== 206) throw new Error(`${url} answered ${status}`);
    return body;
  };
}

/** As containerd from 2.1 on reads a part: a range without an end, which it cuts when it has what it wants. */
async function cutRange(url: string, start: number, length: number): Promise<Buffer> {
  const request = get(url, { agent: false, ...(start === 0 ? {} : { headers: { range: `bytes=${start}-` } }) });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  let got = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    got += chunk.length;
    if (got >= length) break;
  }
  request.destroy();
  return Buffer.concat(chunks).subarray(0, length);
}

test.serial('a stargz client has footer, table and chunks of a layer while the registry has given little more than those', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(120_000);
  const { agent, faults, image, layer } = t.context;
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const removed = faults.inject({ kind: 'gate', opened }, { match: isBackground });
  t.teardown(open);
  t.is((await send(`${agent.registry}/v2/${REPOSITORY}/manifests/v1`)).status, 200);
  const url = blobUrl(t.context, agent);
  const lazy = await LazyLayer.open(layer.size, image.tocDigest, readFrom(url));
  t.is(lazy.entries.length, FILES + 1);
  for (const [name, at] of [
    ['usr/bin/small', 0],
    ['usr/bin/small', 3 * CHUNK],
    ['usr/lib/large', 66 * CHUNK],
  ] as const)
    t.is((await lazy.chunk(name, at)).length, CHUNK);
  t.true(faults.blobBytes < 12 * CHUNK, `${faults.blobBytes} bytes of ${layer.size}`);

  const tail = layer.size - 2 * CHUNK;
  t.deepEqual(await cutRange(url, tail, CHUNK), image.blob.subarray(tail, tail + CHUNK));
  t.true(faults.blobBytes < 24 * CHUNK, `${faults.blobBytes} bytes of ${layer.size}`);
  removed();
  open();
  await waitFor('the whole layer', () => existsSync(agent.blobPath(layer.digest)));
  t.true(faults.blobBytes < 1.15 * layer.size, `${faults.blobBytes} bytes of ${layer.size}: what was asked for is not read again`);
  t.true((await metric(agent, 'layerswarm_clients_vouched_bytes_total'))! > 3 * CHUNK);
});

test.serial('the registry is not asked for what a member holds', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  const { agent, faults, image, layer, stack } = t.context;
  const other = await startLazily(stack, faults, bootstrapOf(agent));
  await other.waitForPeers(1);
  t.is((await send(`${other.registry}/v2/${REPOSITORY}/manifests/v1`)).status, 200);
  const before = faults.blobBytes;
  const lazy = await LazyLayer.open(layer.size, image.tocDigest, readFrom(blobUrl(t.context, other)));
  t.is((await lazy.chunk('usr/lib/large', 40 * CHUNK)).length, CHUNK);
  // the first parts may be wanted before the member has said that it holds the layer
  t.true(faults.blobBytes - before < CHUNK, `${faults.blobBytes - before} bytes`);
  await other.stop();
});

test.serial('parallel reads as those of containerd 2 get the layer, from the registry about once', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(120_000);
  const { faults, layer, stack } = t.context;
  const fresh = await startLazily(stack, faults);
  t.is((await send(`${fresh.registry}/v2/${REPOSITORY}/manifests/v1`)).status, 200);
  const before = faults.blobBytes;
  const length = 8 * CHUNK;
  const starts = Array.from({ length: Math.ceil(layer.size / length) }, (_, i) => i * length);
  const chunks = new Map<number, Buffer>();
  const queue = starts.values();
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (const start of queue) chunks.set(start, await cutRange(blobUrl(t.context, fresh), start, length));
    }),
  );
  const hash = createHash('sha256');
  for (const start of starts) hash.update(chunks.get(start)!);
  t.is(`sha256:${hash.digest('hex')}`, layer.digest);
  await waitFor('the layer in the store', () => existsSync(fresh.blobPath(layer.digest)));
  t.true(faults.blobBytes - before < 1.15 * layer.size, `${faults.blobBytes - before} bytes of ${layer.size}`);
  await fresh.stop();
});

test.serial('containerd pulls and unpacks the same layer', async (t) => {
  if (!requireTool(t, ...TOOLS, 'root', 'containerd', 'ctr', 'runc')) return;
  t.timeout(120_000);
  const { ctrOk, hostsDir } = await startContainerd(t);
  await ctrOk(['images', 'pull', '--hosts-dir', hostsDir(t.context.agent.registry), `docker.io/${REPOSITORY}:v1`], { deadline: 100_000 });
  t.regex((await ctrOk(['images', 'check'])).stdout, /docker\.io\/library\/lazy:v1 .* complete /);
});
