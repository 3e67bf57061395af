import test from 'ava';
import { Bitfield } from '../../../../../src/swarm/exchange/core/bitfield.ts';
import { LEASE_LIMITS, LeaseTable } from '../../../../../src/swarm/exchange/core/lease-table.ts';
import { PieceLayout } from '../../../../../src/swarm/exchange/core/piece-layout.ts';

const layout = new PieceLayout(10 << 20);
const all = layout.pieceCount;
const none = new Bitfield(all);

test('what a member has is not leased to others', (t) => {
  const table = new LeaseTable(layout, 0);
  table.complete('holder', 0);
  t.deepEqual(table.request('asker', none, [], all, 0), { waitMs: LEASE_LIMITS.retryMs });
});

test('a member that no longer has what it had gets a lease for it', (t) => {
  const table = new LeaseTable(layout, 0);
  table.complete('asker', 0);
  const answer = table.request('asker', none, [], 4, 1000);
  t.true('extents' in answer && answer.extents[0]!.count === 4);
});

test('a member that gets nothing from those that say they have it may read it itself after a while', (t) => {
  const table = new LeaseTable(layout, 0);
  table.complete('holder', 0);
  t.true('waitMs' in table.request('asker', none, [], 4, 0));
  t.true('waitMs' in table.request('asker', none, [], 4, LEASE_LIMITS.stuckMs - 1));
  const answer = table.request('asker', none, [], 4, LEASE_LIMITS.stuckMs);
  t.deepEqual('extents' in answer && answer.extents.map(({ first, count }) => [first, count]), [[0, 4]]);
});

test('a member that makes progress waits on', (t) => {
  const table = new LeaseTable(layout, 0);
  table.complete('holder', 0);
  const bits = new Bitfield(all);
  for (let piece = 0, now = 0; piece < 10; piece++, now += LEASE_LIMITS.stuckMs / 2) {
    t.true('waitMs' in table.request('asker', bits, [], 4, now));
    bits.set(piece);
  }
});
