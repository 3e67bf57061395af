import test from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { TagMemory, weigh, type RememberedTag, type Statement } from '../../../src/swarm/tag-memory.ts';
import { MemorySwarm, type MemoryFaults } from '../../support/memory-network.ts';

const ORIGIN = 'https://registry.example';
const [older, newer] = [Digest.of(Buffer.from('older')), Digest.of(Buffer.from('newer'))];

/** One node each, which remembers what is given for `app:latest`; the first asks. */
async function memories(
  remembered: (RememberedTag | undefined)[],
  faults: MemoryFaults = {},
  now = 1_000_000,
  membersWithin?: () => number,
): Promise<{ asker: TagMemory; swarm: MemorySwarm }> {
  const swarm = new MemorySwarm(faults);
  const nodes = await swarm.joinAll(remembered.length);
  const [asker] = nodes.map(
    (node, i) =>
      new TagMemory(
        node,
        (origin, repository, tag) => (origin === ORIGIN && repository === 'app' && tag === 'latest' ? remembered[i] : undefined),
        { now: () => now, ...(membersWithin === undefined ? {} : { membersWithin }) },
      ),
  );
  return { asker: asker!, swarm };
}

const said = (peerId: string, digest: Digest, checkedAt: number, host = peerId): Statement => ({ peerId, digest, checkedAt, host });

test('the newest mapping that enough hosts agree on wins, and is as old as the least of them says', (t) => {
  t.is(weigh([], 1), undefined);
  t.deepEqual(weigh([said('a', older, 1000), said('b', newer, 3000)], 1), { digest: newer, checkedAt: 3000, witnesses: ['b'] });
  t.is(weigh([said('liar', newer, 9000)], 2), undefined);
  t.deepEqual(weigh([said('liar', newer, 9000), said('a', older, 1000), said('b', older, 2000), said('c', older, 3000)], 2), {
    digest: older,
    checkedAt: 2000,
    witnesses: ['a', 'b', 'c'],
  });
  t.is(
    weigh([said('liar', newer, 9000, 'host'), said('its other name', newer, 9000, 'host')], 2),
    undefined,
    'identities of one host are one witness',
  );
  t.deepEqual(
    weigh([said('liar', older, 9000), said('a', older, 1000), said('b', newer, 2000), said('c', newer, 2000)], 2),
    { digest: newer, checkedAt: 2000, witnesses: ['b', 'c'] },
    'nobody makes the old look new',
  );
});

test('one member of several cannot say what a tag means; two can, and one can where there are only two', async (t) => {
  const lie = { digest: newer, checkedAt: 999_999 };
  const { asker: alone } = await memories([undefined, lie, undefined, undefined]);
  t.deepEqual(await alone.ask(ORIGIN, 'app', 'latest'), { agreed: undefined, heard: 1, wanted: 2 });
  const { asker } = await memories([undefined, lie, { digest: older, checkedAt: 1000 }, { digest: older, checkedAt: 2000 }]);
  const { agreed } = await asker.ask(ORIGIN, 'app', 'latest');
  t.deepEqual(agreed?.digest, older);
  t.is(agreed?.checkedAt, 1000);
  t.is(agreed?.witnesses.length, 2);
  const { asker: small } = await memories([undefined, { digest: older, checkedAt: 1000 }]);
  t.like(await small.ask(ORIGIN, 'app', 'latest'), { agreed: { digest: older, checkedAt: 1000 }, wanted: 1 });
});

test('where members are away for a moment, the one that is left cannot say what a tag means', async (t) => {
  const lie = { digest: newer, checkedAt: 999_999 };
  const { asker } = await memories([undefined, undefined, lie], {}, 1_000_000, () => 3);
  t.deepEqual(await asker.ask(ORIGIN, 'app', 'latest'), { agreed: undefined, heard: 1, wanted: 2 });
});

test('nobody knows: undefined', async (t) => {
  const { asker } = await memories([undefined, { digest: older, checkedAt: 1000 }]);
  t.is((await asker.ask('https://another.example', 'app', 'latest')).agreed, undefined);
  t.is((await asker.ask(ORIGIN, 'app', 'other')).agreed, undefined);
});

test('a member that goes before it answers is done without', async (t) => {
  const { asker, swarm } = await memories([undefined, { digest: older, checkedAt: 1000 }, { digest: newer, checkedAt: 3000 }], {
    drop: (_from, to) => to === swarm.nodes[2]!.self,
  });
  const found = asker.ask(ORIGIN, 'app', 'latest');
  swarm.isolate(swarm.nodes[2]!);
  t.like((await found).agreed, { digest: older, checkedAt: 1000 });
});

test('a time in the future is refused, and a clock that is a little ahead is not', async (t) => {
  const { asker } = await memories([undefined, { digest: newer, checkedAt: 9_999_999_999 }]);
  t.is((await asker.ask(ORIGIN, 'app', 'latest')).agreed, undefined);
  const { asker: skewed } = await memories([undefined, { digest: newer, checkedAt: 1_030_000 }]);
  t.like((await skewed.ask(ORIGIN, 'app', 'latest')).agreed, { digest: newer, checkedAt: 1_000_000 });
});

test('an aborted question ends with nothing', async (t) => {
  const { asker } = await memories([undefined, { digest: newer, checkedAt: 3000 }]);
  t.is((await asker.ask(ORIGIN, 'app', 'latest', { signal: AbortSignal.abort() })).agreed, undefined);
});
