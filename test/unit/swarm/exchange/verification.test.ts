import { randomBytes } from 'node:crypto';
import test from 'ava';
import type { MessageOf } from '../../../../src/swarm/protocol/message.ts';
import { signList } from '../../../../src/swarm/exchange/prefix-list.ts';
import { pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { scene, type Scene } from '../../../support/exchange-scene.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { waitFor } from '../../../support/wait-for.ts';

function banned(node: ExchangeNode): string[] {
  return node.network.bans().map(({ peerId }) => peerId);
}

/** Every chunk that leaves `liar` is wrong. */
function lie({ swarm }: Scene, ...liars: ExchangeNode[]): void {
  const ids = new Set(liars.map(({ network }) => network.self));
  swarm.swarm.faults.chunk = (from, _to, chunk) => (ids.has(from) ? Buffer.alloc(chunk.length, 7) : chunk);
}

test('two liars are both found, an honest holder is not, and the origin is read once more at most', async (t) => {
  const s = scene(t, 6_000_000);
  const [a, b, honest] = await s.swarm.addAll(3, s.origin);
  for (const node of [a!, b!, honest!]) await pull(node, s.digest);
  const before = s.origin.read.get(s.digest.toString())!;
  lie(s, a!, b!);
  const victim = await s.swarm.add(s.origin);
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
  await waitFor('a liar to be banned', () => banned(victim).length > 0, { interval: 5 });
  t.false(banned(victim).includes(honest!.network.self));
  for (const peer of banned(victim)) t.true([a!.network.self, b!.network.self].includes(peer));
  t.true(s.origin.read.get(s.digest.toString())! - before <= s.blob.length);
});

test('in a cold crowd one that pushes wrong bytes is banned by whoever got them, and everyone gets the blob', async (t) => {
  const s = scene(t, 3_000_000);
  const nodes = await s.swarm.addAll(4, s.origin);
  const liar = nodes[1]!;
  lie(s, liar);
  const got = await Promise.all(nodes.map((node) => pull(node, s.digest, s.blob.length)));
  for (const bytes of got) t.true(s.blob.equals(bytes));
  for (const node of nodes) for (const peer of banned(node)) t.is(peer, liar.network.self);
});

test('a list that accuses honest senders is found out, and its signer is banned', async (t) => {
  const s = scene(t, 4_000_000);
  const [forger, honest] = await s.swarm.addAll(2, s.origin);
  await pull(forger!, s.digest);
  await pull(honest!, s.digest);
  const victim = await s.swarm.add(s.origin);
  const checkpoints = (await forger!.store.blobs.checkpoints(s.digest))!;
  const forged = checkpoints.digests.map((digest, i) => (i === checkpoints.digests.length - 1 ? digest : randomBytes(digest.length)));
  const list = (await signList(forger!.network, s.digest, { ...checkpoints, digests: forged }))!;
  forger!.network.override('get-list', () => list satisfies MessageOf<'list'>);
  honest!.network.override('get-list', () => undefined);
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
  t.deepEqual(banned(victim), [forger!.network.self]);
});

test('without an origin a range that contradicts the list is fetched from somebody else', async (t) => {
  const s = scene(t, 4_000_000);
  const [liar, honest] = await s.swarm.addAll(2, s.origin);
  await pull(liar!, s.digest);
  await pull(honest!, s.digest);
  s.origin.down = true;
  lie(s, liar!);
  const victim = await s.swarm.add(s.origin);
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
});

for (const [size, ranges] of [
  [2_000_000, 'of one piece each'],
  [12_000_000, 'of several pieces, some of them of two senders'],
] as const)
  test(`without an origin all that a liar brought is fetched from somebody else, however many ranges it is in, ${ranges}`, async (t) => {
    const s = scene(t, size);
    const [liar, honest] = await s.swarm.addAll(2, s.origin);
    for (const node of [liar!, honest!]) await pull(node, s.digest);
    s.origin.down = true;
    // Only when all is here a list says that it is wrong.
    const whole = Promise.withResolvers<void>();
    let came = 0;
    s.swarm.swarm.faults.chunk = (from, _to, chunk) => {
      came += chunk.length;
      if (came >= s.blob.length) whole.resolve();
      return from === liar!.network.self ? Buffer.alloc(chunk.length, 7) : chunk;
    };
    for (const node of [liar!, honest!]) {
      const list = (await signList(node.network, s.digest, (await node.store.blobs.checkpoints(s.digest))!))!;
      node.network.override('get-list', async () => {
        await whole.promise;
        return list satisfies MessageOf<'list'>;
      });
    }
    const victim = await s.swarm.add(s.origin);
    t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
    t.deepEqual(
      victim.network
        .bans()
        .map(({ peerId }) => peerId)
        .filter((peer) => peer !== liar!.network.self),
      [],
    );
  });

test('without an origin, and with liars alone, a blob is given up', async (t) => {
  const s = scene(t, 12_000_000);
  const liars = await s.swarm.addAll(2, s.origin);
  for (const node of liars) await pull(node, s.digest);
  s.origin.down = true;
  lie(s, ...liars);
  const victim = await s.swarm.add(s.origin);
  await t.throwsAsync(pull(victim, s.digest, s.blob.length));
});

test('a lease holder that the origin served badly is not a liar', async (t) => {
  const s = scene(t, 2_000_000);
  const nodes = await s.swarm.addAll(3, s.origin);
  let bad = 3;
  s.origin.chunk = (_digest, _offset, bytes) => (bad-- > 0 ? Buffer.alloc(bytes.length) : bytes);
  const got = await Promise.all(nodes.map((node) => pull(node, s.digest, s.blob.length)));
  for (const bytes of got) t.true(s.blob.equals(bytes));
  for (const node of nodes) t.deepEqual(node.network.bans(), []);
});

test('a lease holder that stands by wrong bytes is banned', async (t) => {
  const s = scene(t, 3_000_000);
  const evil = new MemoryOrigin();
  evil.add(s.blob);
  evil.chunk = (_digest, _offset, bytes) => Buffer.alloc(bytes.length, 9);
  const honest = await s.swarm.addAll(3, s.origin);
  const liar = await s.swarm.add(evil);
  const lying = pull(liar, s.digest, s.blob.length).catch(() => undefined);
  const got = await Promise.all(honest.map((node) => pull(node, s.digest, s.blob.length)));
  for (const bytes of got) t.true(s.blob.equals(bytes));
  await waitFor('the liar to be banned', () => honest.some((node) => banned(node).length > 0));
  await lying;
  for (const node of honest) for (const peer of banned(node)) t.is(peer, liar.network.self);
});
