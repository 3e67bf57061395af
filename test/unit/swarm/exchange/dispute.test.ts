import { randomBytes } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import { signList } from '../../../../src/swarm/exchange/prefix-list.ts';
import { ExchangeSwarm, pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { waitFor } from '../../../support/wait-for.ts';

const RUNS = 5;

/** What a member that holds the blob does. */
const role = fc.constantFrom('honest', 'honest', 'corrupts', 'forges', 'truncates', 'silent');
type Role = 'honest' | 'corrupts' | 'forges' | 'truncates' | 'silent';

async function withSwarm(body: (swarm: ExchangeSwarm, origin: MemoryOrigin) => Promise<void>): Promise<void> {
  const swarm = new ExchangeSwarm();
  try {
    await body(swarm, new MemoryOrigin());
  } finally {
    await swarm.close();
  }
}

async function play(node: ExchangeNode, role: Role, blob: ReturnType<MemoryOrigin['add']>): Promise<void> {
  const checkpoints = (await node.store.blobs.checkpoints(blob))!;
  if (role === 'forges') {
    const forged = checkpoints.digests.map((digest, i) => (i === checkpoints.digests.length - 1 ? digest : randomBytes(digest.length)));
    const list = (await signList(node.network, blob, { ...checkpoints, digests: forged }))!;
    node.network.override('get-list', () => list);
  } else if (role === 'truncates') {
    const list = (await signList(node.network, blob, { ...checkpoints, digests: checkpoints.digests.slice(0, -1) }))!;
    node.network.override('get-list', () => list);
  } else if (role === 'silent') {
    node.network.override('get-list', () => undefined);
  }
}

const banned = (node: ExchangeNode): Set<string> => new Set(node.network.bans().map(({ peerId }) => peerId));

test('whatever holders do, the victim gets the blob, bans liars alone, and reads at most one more copy from the origin', async (t) => {
  t.timeout(300_000);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1_100_000, max: 4_000_000 }),
      fc.array(role, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      async (size, roles, corruptAt) => {
        await withSwarm(async (swarm, origin) => {
          const blob = randomBytes(size);
          const digest = origin.add(blob);
          const holders = await swarm.addAll(roles.length, origin);
          for (const holder of holders) await pull(holder, digest, size);
          const before = origin.read.get(digest.toString())!;
          for (const [i, holder] of holders.entries()) await play(holder, roles[i]!, digest);
          const corrupting = new Set(holders.filter((_, i) => roles[i] === 'corrupts').map(({ network }) => network.self));
          const liars = new Set(
            holders.filter((_, i) => roles[i] === 'corrupts' || roles[i] === 'forges').map(({ network }) => network.self),
          );
          swarm.swarm.faults.chunk = (from, _to, chunk) => {
            if (!corrupting.has(from)) return chunk;
            const wrong = Buffer.from(chunk);
            wrong[corruptAt % wrong.length]! ^= 1;
            return wrong;
          };
          const victim = await swarm.add(origin);
          t.true(blob.equals(await pull(victim, digest, size)));
          const brought = [...corrupting].filter((peer) => victim.exchange.badPieces(peer) > 0);
          await waitFor('the liars with evidence to be banned', () => brought.every((peer) => banned(victim).has(peer)), { interval: 5 });
          for (const peer of banned(victim)) t.true(liars.has(peer), `an honest member was banned: ${roles.join(' ')}`);
          t.true(
            origin.read.get(digest.toString())! - before <= size,
            `${origin.read.get(digest.toString())! - before} of ${size} bytes: ${roles.join(' ')}`,
          );
        });
      },
    ),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test('a crowd that was all given a wrong piece reads it from the origin once more in all, and bans nobody who was served badly', async (t) => {
  t.timeout(300_000);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 200_000, max: 3_000_000 }), fc.integer({ min: 2, max: 5 }), fc.nat(), async (size, count, at) => {
      await withSwarm(async (swarm, origin) => {
        const blob = randomBytes(size);
        const digest = origin.add(blob);
        const nodes = await swarm.addAll(count, origin);
        const wrongAt = at % size;
        let bad = true;
        origin.chunk = (_digest, offset, bytes) => {
          if (!bad || wrongAt < offset || wrongAt >= offset + bytes.length) return bytes;
          bad = false;
          const wrong = Buffer.from(bytes);
          wrong[wrongAt - offset]! ^= 1;
          return wrong;
        };
        const got = await Promise.all(nodes.map((node) => pull(node, digest, size)));
        for (const bytes of got) t.true(blob.equals(bytes));
        for (const node of nodes) t.deepEqual(node.network.bans(), []);
        // Leases that overlap are a few pieces at most.
        t.true(
          origin.read.get(digest.toString())! <= 2 * size + 4 * 65_536,
          `${origin.copies(digest)} copies with ${count} nodes of ${size} bytes`,
        );
      });
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

// Where nobody holds the blob only its digest tells, at the end, that a byte is wrong: which one it is, another reading has to show.
test('an origin whose bodies were wrong in some places is read no more than once again by five nodes in all, which ban nobody', async (t) => {
  t.timeout(120_000);
  await withSwarm(async (swarm, origin) => {
    const blob = randomBytes(24 << 20);
    const digest = origin.add(blob);
    const nodes = await swarm.addAll(5, origin);
    const wrong = new Set([100_000, 7_000_001, 13_500_000, 24_000_000]);
    origin.chunk = (_digest, offset, bytes) => {
      const at = [...wrong].find((place) => place >= offset && place < offset + bytes.length);
      if (at === undefined) return bytes;
      wrong.delete(at);
      const changed = Buffer.from(bytes);
      changed[at - offset]! ^= 1;
      return changed;
    };
    for (const bytes of await Promise.all(nodes.map((node) => pull(node, digest, blob.length)))) t.true(blob.equals(bytes));
    t.is(wrong.size, 0);
    t.log(`${origin.copies(digest).toFixed(3)} copies`);
    t.true(origin.copies(digest) <= 2.05, `${origin.copies(digest)} copies`);
    for (const node of nodes) t.deepEqual(node.network.bans(), []);
  });
});

test('an origin that is wrong on the second reading too makes no honest holder look like a liar', async (t) => {
  t.timeout(300_000);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1_100_000, max: 2_500_000 }), fc.integer({ min: 1, max: 3 }), async (size, badReadings) => {
      await withSwarm(async (swarm, origin) => {
        const blob = randomBytes(size);
        const digest = origin.add(blob);
        const [liar, honest] = await swarm.addAll(2, origin);
        for (const node of [liar!, honest!]) await pull(node, digest, size);
        let bad = badReadings;
        origin.chunk = (_digest, _offset, bytes) => (bad-- > 0 ? Buffer.alloc(bytes.length, 3) : bytes);
        let lies = 1;
        swarm.swarm.faults.chunk = (from, _to, chunk) =>
          from === liar!.network.self && lies-- > 0 ? Buffer.alloc(chunk.length, 7) : chunk;
        const victim = await swarm.add(origin);
        t.true(blob.equals(await pull(victim, digest, size)));
        for (const peer of banned(victim)) t.is(peer, liar!.network.self);
      });
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
