import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { MemberDistance } from '../../../../src/swarm/exchange/core/distance.ts';
import { encodeNote, makeStatement } from '../../../../src/swarm/exchange/statement.ts';
import { ExchangeSwarm, pull } from '../../../support/exchange-nodes.ts';
import { scene } from '../../../support/exchange-scene.ts';
import type { MemoryNetwork } from '../../../support/memory-network.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';

const PIECE = 65_536;
/** More than wrong gatherings that a blob is given up after. */
const LIARS = 12;

test('members that bring wrong bytes one after the other do not make a blob fail that an honest one holds', async (t) => {
  const s = scene(t, 5 * PIECE);
  const holders = await s.swarm.addAll(LIARS + 1, s.origin);
  for (const holder of holders) await pull(holder, s.digest, s.blob.length);
  const victim = await s.swarm.add(s.origin);
  s.origin.down = true;
  // Each is honest until those before were found out.
  const turns = holders.slice(0, LIARS).map(({ network }) => network.self);
  s.swarm.swarm.faults.chunk = (from, _to, chunk) => {
    const turn = turns.indexOf(from);
    return turn >= 0 && turns.slice(0, turn).every((peer) => victim.exchange.badPieces(peer) > 0) ? Buffer.alloc(chunk.length, 7) : chunk;
  };
  t.true(s.blob.equals(await pull(victim, s.digest, s.blob.length)));
});

/** Says that it fetches the blob too, and when a range is disputed that the origin gives other bytes, which it has at hand. */
function lieInDisputes(liar: MemoryNetwork, digest: Digest, size: number): void {
  const bytesOf = (start: number): Buffer => Buffer.alloc(Math.min(PIECE, size - start), liar.self);
  liar.handle('join', () => ({ type: 'joined', holding: { blob: digest.toString(), state: 'none' }, wants: true }));
  liar.handle('dispute', async ({ runs }) => {
    const pieces = runs.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i));
    const said = pieces.map((piece) => makeStatement(liar, digest, piece * PIECE, bytesOf(piece * PIECE)));
    return {
      type: 'statements',
      blob: digest.toString(),
      statements: (await Promise.all(said)).map((statement) => encodeNote([statement])),
    };
  });
  liar.setLaneSource({
    read: (_peer, _blob, { start, end }) => ({ bytes: bytesOf(start).subarray(0, end - start), note: new Uint8Array() }),
  });
}

test('members that say wrong things of what the origin gives do not make a blob fail, however many they are', async (t) => {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  const origin = new MemoryOrigin();
  const victim = await swarm.add(origin);
  const liars = await swarm.swarm.joinAll(LIARS);
  // All of them are asked before the victim reads itself.
  let blob: Buffer;
  do blob = randomBytes(5 * PIECE);
  while (
    new MemberDistance()
      .rank(
        Digest.of(blob),
        swarm.swarm.nodes.map(({ self }) => self),
      )
      .at(-1) !== victim.network.self
  );
  const digest = origin.add(blob);
  let bad = 1;
  origin.chunk = (_digest, _offset, bytes) => (bad-- > 0 ? Buffer.alloc(bytes.length) : bytes);
  for (const liar of liars) {
    lieInDisputes(liar, digest, blob.length);
    swarm.swarm.connect(victim.network, liar);
  }
  t.true(blob.equals(await pull(victim, digest, blob.length)));
});
