import test, { type ExecutionContext } from 'ava';
import { PrefetchService, type PullImage } from '../../../src/agent/keep/prefetch-service.ts';
import { prefetchOnMembers } from '../../../src/agent/keep/prefetch-wave.ts';
import type { NodeOutcome } from '../../../src/control/prefetch-operation.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import type { Receipt } from '../../../src/status/receipt-document.ts';
import { MemorySwarm, type MemoryNetwork } from '../../support/memory-network.ts';

const IMAGE = `registry.example/team/app:v1@sha256:${'a'.repeat(64)}`;
const RECEIPT: Receipt = {
  id: 'x',
  client: 'cli',
  result: 'done',
  error: null,
  verdict: '',
  startedAt: '',
  firstByteSeconds: null,
  waitedSeconds: 0,
  verifySeconds: 0,
  peerNames: {},
  reference: IMAGE,
  digest: `sha256:${'a'.repeat(64)}`,
  finishedAt: '',
  bytes: 100,
  fromStoreBytes: 0,
  fromOriginBytes: 40,
  fromPeersBytes: 60,
  peers: {},
  seconds: 1,
  stalls: 0,
  retries: 0,
  verified: true,
  stale: false,
  phases: [],
  blobs: [],
};

function serve(t: ExecutionContext, network: MemoryNetwork, pull: PullImage, allowed = true): PrefetchService {
  const service = new PrefetchService({ network, allowed, pull });
  t.teardown(() => service.close());
  return service;
}

async function wave(
  from: MemoryNetwork,
  options: { signal?: AbortSignal; onProgress?: (members: readonly NodeOutcome[]) => void } = {},
): Promise<readonly NodeOutcome[]> {
  return await prefetchOnMembers({
    network: from,
    members: from.peers(),
    image: IMAGE,
    platforms: ['linux/arm64'],
    signal: AbortSignal.timeout(60_000),
    onProgress: () => undefined,
    pollMs: 5,
    goneMs: 20,
    ...options,
  });
}

/** A pull that ends only with its signal. */
const endless: PullImage = async (_image, _platforms, { signal }) =>
  await new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

test('every member pulls the image, and says from where it came', async (t) => {
  const [from, ...others] = await new MemorySwarm().joinAll(4);
  const pulled: unknown[] = [];
  for (const node of others)
    serve(t, node, async (image, platforms) => {
      pulled.push([image, platforms]);
      return RECEIPT;
    });
  const outcomes = await wave(from!);
  t.deepEqual(
    pulled,
    others.map(() => [IMAGE, ['linux/arm64']]),
  );
  t.is(outcomes.length, 3);
  for (const { state, sizeBytes, fromOriginBytes, fromPeersBytes } of outcomes)
    t.deepEqual([state, sizeBytes, fromOriginBytes, fromPeersBytes], ['done', 100, 40, 60]);
});

test('a member that refuses, one that fails and one that dies are reported, and hold up nobody', async (t) => {
  const swarm = new MemorySwarm();
  const [from, good, refusing, failing, dying] = await swarm.joinAll(5);
  serve(t, good!, async () => RECEIPT);
  serve(t, refusing!, async () => RECEIPT, false);
  serve(t, failing!, async () => {
    throw new LayerswarmError('disk-full', 'the disk is full');
  });
  serve(t, dying!, endless);
  let died = false;
  const outcomes = await wave(from!, {
    onProgress: (members) => {
      if (died || !members.some(({ peerId, state }) => peerId === dying!.self && state === 'running')) return;
      died = true;
      swarm.isolate(dying!);
    },
  });
  const stateOf = (node: MemoryNetwork | undefined): string =>
    outcomes
      .filter(({ peerId }) => peerId === node!.self)
      .map(({ state, reason }) => `${state}: ${reason ?? ''}`)
      .join();
  t.is(stateOf(good), 'done: ');
  t.regex(stateOf(refusing), /^refused: .*allow\.prefetch/);
  t.is(stateOf(failing), 'failed: the disk is full');
  t.regex(stateOf(dying), /^gone: /);
});

test('a member that comes back is asked again', async (t) => {
  const swarm = new MemorySwarm();
  const [from, flaky] = await swarm.joinAll(2);
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<Receipt>();
  serve(t, flaky!, async () => {
    begun.resolve();
    return await finish.promise;
  });
  const result = prefetchOnMembers({
    network: from!,
    members: from!.peers(),
    image: IMAGE,
    platforms: [],
    signal: AbortSignal.timeout(60_000),
    onProgress: () => undefined,
    pollMs: 5,
    goneMs: 10_000,
  });
  await begun.promise;
  swarm.disconnect(from!, flaky!);
  swarm.connect(flaky!, from!);
  finish.resolve(RECEIPT);
  t.is((await result)[0]?.state, 'done');
});

test('two that ask for the same image share one pull, and a limit holds for those that wait', async (t) => {
  const [a, b, busy] = await new MemorySwarm().joinAll(3);
  let pulls = 0;
  serve(t, busy!, async (...pull) => {
    pulls++;
    return await endless(...pull);
  });
  const ask = async (from: MemoryNetwork, image: string): Promise<number> =>
    (await from.request(busy!.self, { type: 'prefetch', image, platforms: [] }, 'prefetch-state')).id;
  t.is(await ask(a!, IMAGE), await ask(b!, IMAGE));
  t.is(pulls, 1);
  for (let i = 0; i < 3 + 256; i++) await ask(a!, `registry.example/team/app${i}:v1`);
  await t.throwsAsync(ask(b!, 'registry.example/team/more:v1'), { code: 'unavailable' });
  t.is(pulls, 4);
  await t.throwsAsync(a!.request(busy!.self, { type: 'prefetch-poll', id: 9999 }, 'prefetch-state'), { code: 'not-found' });
});

test('the wave ends with its signal', async (t) => {
  const [from, slow] = await new MemorySwarm().joinAll(2);
  serve(t, slow!, endless);
  const stop = new AbortController();
  const running = wave(from!, {
    signal: stop.signal,
    onProgress: (members) => {
      if (members[0]?.state === 'running') stop.abort(new LayerswarmError('aborted', 'interrupted'));
    },
  });
  await t.throwsAsync(running, { code: 'aborted' });
});
