import test from 'ava';
import { Bitfield } from '../../../../../src/swarm/exchange/core/bitfield.ts';
import { LeaseTable, type Extent, type LeaseAnswer } from '../../../../../src/swarm/exchange/core/lease-table.ts';
import { PieceLayout } from '../../../../../src/swarm/exchange/core/piece-layout.ts';

const layout = new PieceLayout(64 * 65_536);

function extent(answer: LeaseAnswer): Extent {
  if (!('extents' in answer)) throw new Error(`no extent, wait ${answer.waitMs} ms`);
  return answer.extents[0]!;
}

test('the last of it is not left to a slow member, whose pieces everybody would wait for', (t) => {
  const table = new LeaseTable(layout, 0);
  const all = new Bitfield(layout.pieceCount);
  const askAt = (member: string, now: number): LeaseAnswer => table.request(member, all, [], 1, now);
  const read = (member: string, from: number, ms: number): void => {
    const { id, first } = extent(askAt(member, from));
    table.have(member, [[first, 1]], from + ms);
    all.set(first);
    table.end(member, id, 'done', from + ms);
  };
  for (let now = 0; now < 4000; now += 2000) {
    read('slow', now, 1000);
    for (let i = 0; i < 10; i++) for (const fast of ['fast', 'other']) read(fast, now + 100 * i, 100);
  }
  t.is(all.count, 42);
  for (let i = 0; i < 7; i++) for (const fast of ['fast', 'other']) read(fast, 4000 + 100 * i, 100);
  // 8 pieces are left, and more than that are read in a second.
  t.true('waitMs' in askAt('slow', 4700));
  t.true('extents' in askAt('fast', 4700));
  t.true('extents' in askAt('slow', 4700 + 1100), 'the others have stopped');
});

test('of members that are equally slow each reads to the end', (t) => {
  const table = new LeaseTable(layout, 0);
  const bits = new Bitfield(layout.pieceCount);
  for (let now = 0; bits.count < layout.pieceCount; now += 1000) {
    for (const member of ['a', 'b', 'c']) {
      if (bits.isFull) break;
      const { id, first } = extent(table.request(member, bits, [], 1, now));
      table.have(member, [[first, 1]], now + 900);
      bits.set(first);
      table.end(member, id, 'done', now + 900);
    }
  }
  t.true(bits.isFull);
});
