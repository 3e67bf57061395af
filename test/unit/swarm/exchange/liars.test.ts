import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import type { Digest } from '../../../../src/oci/digest.ts';
import { ExchangeSwarm, pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { waitFor } from '../../../support/wait-for.ts';

const PIECE = 65_536;

function swarmOf(t: ExecutionContext): ExchangeSwarm {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  return swarm;
}

/** What a liar reads from, so that all of its code is that of an honest node: wrong the first time in each of the pieces, right when it is asked again. */
function lyingOrigin(lies: (piece: number) => boolean, onLie: (lies: number) => void = () => undefined): MemoryOrigin {
  const origin = new MemoryOrigin();
  const told = new Set<string>();
  origin.chunk = (digest, offset, bytes) => {
    const key = `${digest.toString()} ${offset}`;
    if (!lies(offset / PIECE) || told.has(key)) return bytes;
    told.add(key);
    onLie(told.size);
    return Buffer.alloc(bytes.length, 9);
  };
  return origin;
}

async function pullTogether(t: ExecutionContext, nodes: readonly ExchangeNode[], digest: Digest, blob: Buffer): Promise<void> {
  for (const bytes of await Promise.all(nodes.map((node) => pull(node, digest, blob.length)))) t.true(blob.equals(bytes));
}

const banned = (node: ExchangeNode): string[] => node.network.bans().map(({ peerId }) => peerId);

test('a member that signs many wrong pieces in a cold crowd is banned within that pull, though it tells the truth when asked again', async (t) => {
  const many = Promise.withResolvers<undefined>();
  const [swarm, origin, evil] = [
    swarmOf(t),
    new MemoryOrigin(),
    lyingOrigin(
      (piece) => piece % 2 === 1,
      (lies) => {
        if (lies === 12) many.resolve(undefined);
      },
    ),
  ];
  // However busy the machine is, the liar has its share of the reading.
  origin.chunk = async (_digest, _offset, bytes) => {
    await many.promise;
    return bytes;
  };
  const blob = randomBytes(160 * PIECE);
  const digest = origin.add(blob);
  evil.add(blob);
  const honest = await swarm.addAll(3, origin);
  const liar = await swarm.add(evil);
  await pullTogether(t, [...honest, liar], digest, blob);
  await waitFor('the liar to be banned', () => honest.some((node) => banned(node).length > 0), { interval: 5 });
  for (const node of honest) for (const peer of banned(node)) t.is(peer, liar.network.self);
});

test('a member that was wrong is left out of the reading for a while, and banned when it is wrong again each time that it may read', async (t) => {
  const [swarm, origin, evil] = [swarmOf(t), new MemoryOrigin(), lyingOrigin(() => true)];
  let later = 0;
  const now = (): number => Date.now() + later;
  const honest = [await swarm.add(origin, { now }), await swarm.add(origin, { now }), await swarm.add(origin, { now })];
  const liar = await swarm.add(evil, { now });
  const wrong = (): number => honest.reduce((sum, node) => sum + node.exchange.badPieces(liar.network.self), 0);
  const pullAnother = async (): Promise<void> => {
    const blob = randomBytes(12 * PIECE);
    const digest = origin.add(blob);
    evil.add(blob);
    await pullTogether(t, [...honest, liar], digest, blob);
  };
  for (let i = 0; i < 5 && honest.every((node) => banned(node).length === 0); i++) {
    const before = wrong();
    while (wrong() === before) await pullAnother();
    later += 11 * 60_000;
  }
  await waitFor('the liar to be banned', () => honest.some((node) => banned(node).length > 0), { interval: 5 });
  for (const node of honest) for (const peer of banned(node)) t.is(peer, liar.network.self);
});

test('an origin that now and then gives wrong bytes to whoever reads makes nobody look like a liar, however many blobs are pulled', async (t) => {
  t.timeout(300_000);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 3, max: 6 }),
      fc.integer({ min: 1, max: 5 }),
      async (count, blobs, badOfEach) => {
        const [swarm, origin] = [new ExchangeSwarm(), new MemoryOrigin()];
        try {
          const nodes = await swarm.addAll(count, origin);
          for (let i = 0; i < blobs; i++) {
            const blob = randomBytes(12 * PIECE);
            const digest = origin.add(blob);
            let bad = badOfEach;
            origin.chunk = (_digest, _offset, bytes) => (bad-- > 0 ? Buffer.alloc(bytes.length) : bytes);
            await pullTogether(t, nodes, digest, blob);
          }
          for (const node of nodes) t.deepEqual(banned(node), []);
        } finally {
          await swarm.close();
        }
      },
    ),
    { numRuns: 5, endOnFailure: true },
  );
});
