import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import { encodeNote, makeStatement } from '../../../../src/swarm/exchange/statement.ts';
import { pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { scene, type Scene } from '../../../support/exchange-scene.ts';
import { flipBit } from '../../../support/flip-bit.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { waitFor } from '../../../support/wait-for.ts';

const pathOf = (node: ExchangeNode, { digest }: Scene): string => join(node.folder, 'blobs', 'sha256', digest.hex);

test('a holder whose disk changed a bit drops its copy instead of giving it, is not banned, and the members get the blob', async (t) => {
  const s = scene(t, 5_000_000);
  const holder = await s.swarm.add(s.origin);
  await pull(holder, s.digest);
  flipBit(pathOf(holder, s), 3_000_000);
  const member = await s.swarm.add(s.origin);
  t.true(s.blob.equals(await pull(member, s.digest, s.blob.length)));
  t.deepEqual(member.network.bans(), []);
  t.is(member.exchange.badPieces(holder.network.self), 0);
  t.is(holder.store.blobs.size(s.digest), undefined);
  t.true(s.blob.equals(await pull(holder, s.digest)));
});

test('a holder that gave a bit which its disk changed unseen is told, finds it, drops its copy and is not banned', async (t) => {
  const s = scene(t, 5_000_000);
  const [holder, other] = await s.swarm.addAll(2, s.origin);
  await pull(holder!, s.digest);
  await pull(other!, s.digest);
  flipBit(pathOf(holder!, s), 3_000_000, { silently: true });
  // The other holder gives no bytes, only its list: the victim has to take them from the one with the bad disk.
  s.swarm.swarm.faults.chunk = (from, _to, chunk) => {
    if (from === other!.network.self) throw new Error('its line is down');
    return chunk;
  };
  const victim = await s.swarm.add(s.origin);
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
  t.true(victim.exchange.badPieces(holder!.network.self) > 0);
  await waitFor('the holder to have dropped its copy', () => holder!.store.blobs.size(s.digest) === undefined, { interval: 5 });
  t.deepEqual(victim.network.bans(), []);
});

test('a member that stands by bytes that its right copy does not hold is banned', async (t) => {
  const s = scene(t, 5_000_000);
  const [liar, other] = await s.swarm.addAll(2, s.origin);
  for (const node of [liar!, other!]) await pull(node, s.digest);
  s.swarm.swarm.faults.chunk = (from, _to, chunk) => {
    if (from === other!.network.self) throw new Error('its line is down');
    return from === liar!.network.self ? Buffer.alloc(chunk.length, 5) : chunk;
  };
  const victim = await s.swarm.add(s.origin);
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
  await waitFor('the liar to be banned', () => victim.network.bans().length > 0, { interval: 5 });
  t.deepEqual(
    victim.network.bans().map(({ peerId }) => peerId),
    [liar!.network.self],
  );
});

test('a holder is not banned for one wrong piece where its copy is right, for the disk of whoever got it may have changed that', async (t) => {
  const s = scene(t, 5_000_000);
  const [holder, other] = await s.swarm.addAll(2, s.origin);
  for (const node of [holder!, other!]) await pull(node, s.digest);
  let isWrong = true;
  s.swarm.swarm.faults.chunk = (from, _to, chunk) => {
    if (from === other!.network.self) throw new Error('its line is down');
    if (!isWrong || chunk.length < 100) return chunk;
    isWrong = false;
    const flipped = Buffer.from(chunk);
    flipped[50]! ^= 1;
    return flipped;
  };
  const again = s.origin.add(randomBytes(1000));
  let told = 0;
  holder!.network.override('dispute', async ({ runs }) => {
    const { start, end } = new PieceLayout(s.blob.length).range(...runs[0]!);
    const statement = await makeStatement(holder!.network, s.digest, start, s.blob.subarray(start, end));
    told++;
    return { type: 'statements', blob: s.digest.toString(), statements: [encodeNote([statement])] };
  });
  const victim = await s.swarm.add(s.origin);
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
  t.is(victim.exchange.badPieces(holder!.network.self), 1);
  await waitFor('the holder to be told', () => told > 0, { interval: 5 });
  await pull(victim, again, 1000);
  t.deepEqual(victim.network.bans(), []);
});

test('a member whose disk changes a piece of its unfinished copy fetches that anew, and is not banned by those who got it', async (t) => {
  const s = scene(t, 3_000_000);
  const gate = Promise.withResolvers<void>();
  const gateAt = 16 * 65_536;
  s.origin.chunk = async (_digest, offset, bytes) => {
    if (offset >= gateAt) await gate.promise;
    return bytes;
  };
  const first = await s.swarm.add(s.origin);
  const firstPull = pull(first, s.digest, s.blob.length);
  const firstHas = (): number => first.exchange.transfers()[0]!.haveBytes;
  await waitFor('the first pieces', () => firstHas() === gateAt, { interval: 5 });
  flipBit(join(first.folder, 'partial', `sha256-${s.digest.hex}.data`), 100);
  // Whatever it gets before that comes from the first.
  const silent = new MemoryOrigin();
  silent.add(s.blob);
  silent.chunk = async (_digest, _offset, bytes) => {
    await gate.promise;
    return bytes;
  };
  const second = await s.swarm.add(silent);
  const secondPull = pull(second, s.digest, s.blob.length);
  await waitFor('the changed piece to be noticed', () => second.exchange.badPieces(first.network.self) > 0, { interval: 5 });
  // Once proven, it would drop its whole copy instead.
  await waitFor('the first to have thrown it away', () => firstHas() < gateAt, { interval: 5 });
  gate.resolve();
  t.true(s.blob.equals(await firstPull));
  t.true(s.blob.equals(await secondPull));
  t.deepEqual([...first.network.bans(), ...second.network.bans()], []);
});

for (const [who, answers] of [
  ['blames none of them', true],
  ['finds that out by itself where nobody can be asked', false],
] as const)
  test(`a member whose own disk changes bits that came from others ${who}`, async (t) => {
    const s = scene(t, 3_000_000);
    const [begins, ends] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const last = s.blob.length - 100_000;
    s.origin.chunk = async (_digest, offset, bytes) => {
      if (offset < 65_536) await begins.promise;
      if (offset >= last) await ends.promise;
      return bytes;
    };
    const readers = await s.swarm.addAll(4, s.origin);
    const victim = await s.swarm.add(undefined);
    if (!answers) {
      const unable = (): never => {
        throw new LayerswarmError('unavailable', 'not now');
      };
      for (const { network } of readers) {
        network.override('dispute', unable);
        network.override('get-list', unable);
      }
    }
    const pulls = [...readers, victim].map((node) => pull(node, s.digest, s.blob.length));
    // Nothing is hashed before its beginning is here: the disk has time to change what is.
    await waitFor('all but the ends', () => victim.exchange.transfers()[0]!.haveBytes > 2_700_000, { interval: 5 });
    for (const at of [200_000, 1_200_000, 2_300_000]) flipBit(join(victim.folder, 'partial', `sha256-${s.digest.hex}.data`), at);
    begins.resolve();
    ends.resolve();
    for (const bytes of await Promise.all(pulls)) t.true(s.blob.equals(bytes));
    t.deepEqual(victim.network.bans(), []);
    for (const node of readers) t.is(victim.exchange.badPieces(node.network.self), 0);
  });
