import test from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { TagMemory, type RememberedTag } from '../../../src/swarm/tag-memory.ts';
import { MemorySwarm, type MemoryFaults } from '../../support/memory-network.ts';

const ORIGIN = 'https://registry.example';
const [older, newer] = [Digest.of(Buffer.from('older')), Digest.of(Buffer.from('newer'))];

/** One node each, which remembers what is given for `app:latest`; the first asks. */
async function memories(remembered: (RememberedTag | undefined)[], faults: MemoryFaults = {}, now = 1_000_000): Promise<{ asker: TagMemory; swarm: MemorySwarm }> {
  const swarm = new MemorySwarm(faults);
  const nodes = await swarm.joinAll(remembered.length);
  const [asker] = nodes.map((node, i) => new TagMemory(node, (origin, repository, tag) => (origin === ORIGIN && repository === 'app' && tag === 'latest' ? remembered[i] : undefined), { now: () => now }));
  return { asker: asker!, swarm };
}

test('the newest mapping of all members wins', async (t) => {
  const { asker } = await memories([{ digest: older, checkedAt: 1000 }, undefined, { digest: newer, checkedAt: 3000 }, { digest: older, checkedAt: 2000 }]);
  t.deepEqual(await asker.newest(ORIGIN, 'app', 'latest'), { digest: newer, checkedAt: 3000 });
});

test('what this node remembers itself counts too', async (t) => {
  const { asker } = await memories([{ digest: newer, checkedAt: 5000 }, { digest: older, checkedAt: 2000 }]);
  t.deepEqual(await asker.newest(ORIGIN, 'app', 'latest'), { digest: newer, checkedAt: 5000 });
});

test('nobody knows: undefined', async (t) => {
  const { asker } = await memories([undefined, { digest: older, checkedAt: 1000 }]);
  t.is(await asker.newest('https://another.example', 'app', 'latest'), undefined);
  t.is(await asker.newest(ORIGIN, 'app', 'other'), undefined);
});

test('a member that goes before it answers is done without', async (t) => {
  const { asker, swarm } = await memories([undefined, { digest: older, checkedAt: 1000 }, { digest: newer, checkedAt: 3000 }], { drop: (_from, to) => to === swarm.nodes[2]!.self });
  const found = asker.newest(ORIGIN, 'app', 'latest');
  swarm.isolate(swarm.nodes[2]!);
  t.deepEqual(await found, { digest: older, checkedAt: 1000 });
});

test('a clock that runs ahead does not outlast the present', async (t) => {
  const { asker } = await memories([undefined, { digest: newer, checkedAt: 9_999_999_999 }]);
  t.deepEqual(await asker.newest(ORIGIN, 'app', 'latest'), { digest: newer, checkedAt: 1_000_000 });
});

test('an aborted question ends with what this node knows', async (t) => {
  const { asker } = await memories([{ digest: older, checkedAt: 1000 }, { digest: newer, checkedAt: 3000 }]);
  t.deepEqual(await asker.newest(ORIGIN, 'app', 'latest', { signal: AbortSignal.abort() }), { digest: older, checkedAt: 1000 });
});
