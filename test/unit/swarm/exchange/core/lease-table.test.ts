import test from 'ava';
import { Bitfield, type Run } from '../../../../../src/swarm/exchange/core/bitfield.ts';
import { LEASE_LIMITS } from '../../../../../src/swarm/exchange/core/lease-limits.ts';
import { LeaseTable, type Extent, type LeaseAnswer } from '../../../../../src/swarm/exchange/core/lease-table.ts';
import { PieceLayout } from '../../../../../src/swarm/exchange/core/piece-layout.ts';

const PIECE = 65_536;
const layout = new PieceLayout(64 * PIECE);
const nothing = (): Bitfield => new Bitfield(layout.pieceCount);

function extent(answer: LeaseAnswer): Extent {
  if (!('extents' in answer)) throw new Error(`no extent, wait ${answer.waitMs} ms`);
  return answer.extents[0]!;
}

/** Asks as members do, who say each time what they read under their leases; says nothing of leases that are over. */
function asking(table: LeaseTable): (member: string, pieces: number, now: number) => LeaseAnswer {
  const active = new Map<string, Run[]>();
  return (member, pieces, now) => {
    const reads = active.get(member) ?? [];
    active.set(member, reads);
    const answer = table.request(member, nothing(), reads, pieces, now);
    if ('extents' in answer) for (const { first, count } of answer.extents) reads.push([first, count]);
    return answer;
  };
}

test('everyone gets another extent, lowest first, and each piece once', (t) => {
  const ask = asking(new LeaseTable(layout, 0));
  const given = new Bitfield(layout.pieceCount);
  for (let turn = 0; !given.isFull; turn++) {
    const { first, count } = extent(ask(`member ${turn % 4}`, 16, 1));
    for (let piece = first; piece < first + count; piece++) t.true(given.set(piece), `piece ${piece} was given twice`);
  }
  t.true('waitMs' in ask('member 0', 16, 1));
});

test('with as many leases as there may be, whoever asks waits until one has probably ended, and no longer', (t) => {
  const { firstLeases, leastRetryMs, retryMs } = LEASE_LIMITS;
  const table = new LeaseTable(layout, 0);
  const [first] = Array.from({ length: firstLeases / 2 }, (_, i) => {
    const one = extent(table.request(`member ${i}`, nothing(), [], 2, 0));
    extent(table.request(`member ${i}`, nothing(), [[one.first, one.count]], 2, 0));
    return one;
  });
  const asks = (now: number): LeaseAnswer => table.request('another', nothing(), [], 2, now);
  t.deepEqual(asks(0), { waitMs: retryMs }, 'nothing has come yet');
  t.deepEqual(asks(10), { waitMs: retryMs });
  table.have('member 0', [[first!.first, 1]], 20);
  // One piece in 20 ms, and leases of a piece or two.
  const waits = [20, 40].map((now) => asks(now)).map((answer) => ('waitMs' in answer ? answer.waitMs : 0));
  t.true(
    waits.every((ms) => ms > leastRetryMs && ms < retryMs && Number.isInteger(ms)),
    waits.join(),
  );
  t.true(waits[1]! > waits[0]!);
});

test('extents get shorter towards the end', (t) => {
  const ask = asking(new LeaseTable(layout, 0));
  const counts: number[] = [];
  for (let asked = ask('a', 16, 1); 'extents' in asked; asked = ask(counts.length % 2 === 0 ? 'a' : 'b', 16, 1)) {
    counts.push(asked.extents[0]!.count);
  }
  t.is(counts[0], 16);
  t.is(counts.at(-1), 1);
});

test('a lease without progress goes to somebody else, one with progress does not', (t) => {
  const table = new LeaseTable(layout, 0);
  const stuck = extent(table.request('stuck', nothing(), [], 8, 0));
  const slow = extent(table.request('slow', nothing(), [], 8, 0));
  const late = LEASE_LIMITS.expireAfterMs + 1;
  table.have('slow', [[slow.first, 4]], 600);
  table.have('slow', [[slow.first, 5]], late - 100);
  const again = extent(table.request('other', nothing(), [], 8, late));
  t.is(again.first, stuck.first);
});

test('who takes over knows what those have with whom it exchanges pieces, and waits for those who read', (t) => {
  const bits = nothing();
  bits.setRun(0, 10);
  const table = new LeaseTable(layout, 0, {
    crowd: [
      { member: 'early', bits, isComplete: false },
      { member: 'self', bits: nothing(), isComplete: false },
    ],
  });
  t.true('waitMs' in table.request('self', nothing(), [], 8, 0));
  t.is(extent(table.request('self', nothing(), [], 8, LEASE_LIMITS.takeoverMs)).first, 10);
  const passedOn = new LeaseTable(layout, 0, {
    crowd: [
      { member: 'done', bits: Bitfield.full(layout.pieceCount), isComplete: true },
      { member: 'self', bits: nothing(), isComplete: false },
    ],
  });
  t.true('waitMs' in passedOn.request('self', nothing(), [], 8, LEASE_LIMITS.takeoverMs), 'it comes from the one that has it all');
});

test('a book that is begun with a crowd that has nothing yet gives leases at once', (t) => {
  const table = new LeaseTable(layout, 0, { crowd: [{ member: 'other', bits: nothing(), isComplete: false }] });
  t.is(extent(table.request('self', nothing(), [], 8, 0)).first, 0);
});

test('a lease that its holder never heard of is given again once it asks without it', (t) => {
  const table = new LeaseTable(layout, 0);
  const lost = extent(table.request('a', nothing(), [], 8, 0));
  const other = extent(table.request('b', nothing(), [], 8, 10));
  t.is(extent(table.request('a', nothing(), [], 8, 1500)).first, lost.first);
  t.not(extent(table.request('b', nothing(), [[other.first, other.count]], 8, 1600)).first, other.first, 'it reads that');
});

test('a lease without progress is given to somebody else also where little was read before', (t) => {
  const table = new LeaseTable(layout, 0);
  const read = extent(table.request('a', nothing(), [], 1, 0));
  table.have('a', [[read.first, 1]], 10);
  table.end('a', read.id, 'done', 10);
  const stuck = extent(table.request('stuck', nothing(), [], 8, 20));
  const has = nothing();
  has.setRun(read.first, 1);
  t.is(extent(table.request('a', has, [], 8, LEASE_LIMITS.mostExpireMs + 100)).first, stuck.first);
});

test('before the first piece of all a lease has more time, for the line may be slow; where others read a little it has less', (t) => {
  const { expireAfterMs, firstPieceMs } = LEASE_LIMITS;
  const idle = new LeaseTable(layout, 0);
  const first = extent(idle.request('stuck', nothing(), [], 8, 0));
  t.not(extent(idle.request('other', nothing(), [], 8, expireAfterMs + 1)).first, first.first);
  t.is(extent(idle.request('third', nothing(), [], 8, firstPieceMs + 1)).first, first.first);

  const small = new LeaseTable(layout, 0);
  const stuck = extent(small.request('stuck', nothing(), [], 8, 0));
  const quick = extent(small.request('quick', nothing(), [], 16, 0));
  small.have('quick', [[quick.first, quick.count]], 100);
  small.end('quick', quick.id, 'done', 100);
  t.is(extent(small.request('quick', nothing(), [], 8, expireAfterMs + 1)).first, stuck.first);
});

test('what only a member had is free again when it leaves', (t) => {
  const table = new LeaseTable(layout, 0);
  const { id, first, count } = extent(table.request('a', nothing(), [], 8, 0));
  table.have('a', [[first, count]], 1);
  table.end('a', id, 'done', 1);
  t.not(extent(table.request('b', nothing(), [], 1, 2)).first, first);
  table.leave('a');
  t.is(extent(table.request('b', nothing(), [], 1, 3)).first, first);
});

test('what another member got of it stays', (t) => {
  const table = new LeaseTable(layout, 0);
  const { first, count } = extent(table.request('a', nothing(), [], 8, 0));
  table.have('a', [[first, count]], 1);
  table.have('b', [[first, count]], 1);
  table.leave('a');
  const kept = nothing();
  kept.setRun(first, count);
  t.is(extent(table.request('b', kept, [], 1, 2)).first, first + count);
});

test('a member that failed to read waits while others ask, and does not when it is alone', (t) => {
  const table = new LeaseTable(layout, 0);
  table.end('a', extent(table.request('a', nothing(), [], 4, 0)).id, 'failed', 1);
  t.true('extents' in table.request('a', nothing(), [], 4, 2));
  table.end('a', 2, 'failed', 3);
  t.true('extents' in table.request('b', nothing(), [], 4, 4));
  t.true('waitMs' in table.request('a', nothing(), [], 4, 5));
});

test('a coordinator that takes over waits for the leases of the one before it, and keeps them', (t) => {
  const table = new LeaseTable(layout, 0);
  const some = nothing();
  some.setRun(0, 10);
  t.true('waitMs' in table.request('a', some, [[10, 4]], 4, 0));
  t.true('waitMs' in table.request('b', nothing(), [[14, 4]], 4, 10));
  t.is(extent(table.request('c', nothing(), [], 4, LEASE_LIMITS.takeoverMs + 1)).first, 18);
});

test('another member cannot end a lease', (t) => {
  const table = new LeaseTable(layout, 0);
  const { id, first } = extent(table.request('a', nothing(), [], 4, 0));
  table.end('b', id, 'released', 1);
  t.not(extent(table.request('b', nothing(), [], 4, 2)).first, first);
});

test('no more leases are out at once than the origin can bear', (t) => {
  const table = new LeaseTable(layout, 0, { limits: { ...LEASE_LIMITS, maxLeases: 3 } });
  for (const member of ['a', 'b', 'c']) t.true('extents' in table.request(member, nothing(), [], 1, 0));
  t.true('waitMs' in table.request('d', nothing(), [], 1, 0));
});

test('on a slow line leases are few, and have the time that a piece takes when they share it', (t) => {
  const table = new LeaseTable(new PieceLayout(200 * PIECE), 0);
  const { firstLeases, minLeases, expireAfterMs } = LEASE_LIMITS;
  const bits = new Bitfield(200);
  const ask = (member: number, now: number): LeaseAnswer => table.request(`member ${member}`, bits, [], 4, now);
  const extents = Array.from({ length: firstLeases }, (_, member) => extent(ask(member, 0)));
  t.true('waitMs' in ask(firstLeases, 0));
  // A piece every two seconds: 32 leases get one each in a minute.
  for (const member of [0, 1, 2]) table.have(`member ${member}`, [[extents[member]!.first, 1]], 2000 * (member + 1));
  t.true('waitMs' in ask(firstLeases, expireAfterMs + 1));
  for (const [member, { id }] of extents.entries()) if (member >= minLeases) table.end(`member ${member}`, id, 'released', 7000);
  t.true('waitMs' in ask(firstLeases, 7000));
  table.end('member 7', extents[7]!.id, 'released', 7000);
  t.true('extents' in ask(firstLeases, 7000));
});

test('leases whose pieces come one right after the other are not taken for those of a fast line', (t) => {
  const pieces = 400;
  const pieceMs = 250;
  const members = 40;
  const table = new LeaseTable(new PieceLayout(pieces * PIECE), 0);
  const bits = Array.from({ length: members }, () => new Bitfield(pieces));
  const given = new Bitfield(pieces);
  const out: number[] = [];
  let reading = new Map<number, Extent>();
  // As in a shared line: what was asked for together comes together, and everyone asks for the next one at once.
  for (let now = 0; !given.isFull; now += Math.max(1, reading.size) * pieceMs) {
    const next = new Map<number, Extent>();
    for (let member = 0; member < members; member++) {
      const at = now + 20 * member;
      const read = reading.get(member);
      if (read !== undefined) {
        bits[member]!.set(read.first);
        table.have(`member ${member}`, [[read.first, 1]], at);
        table.end(`member ${member}`, read.id, 'done', at);
      }
      const answer = table.request(`member ${member}`, bits[member]!, [], 1, at);
      if (!('extents' in answer)) continue;
      next.set(member, extent(answer));
      t.true(given.set(extent(answer).first), `piece ${extent(answer).first} was given twice`);
    }
    reading = next;
    out.push(reading.size);
  }
  const fitting = LEASE_LIMITS.pieceMs / pieceMs;
  t.true(Math.max(...out.slice(4)) <= 2 * fitting, `${out.join(', ')} leases at a time, where ${fitting} get a piece in time`);
});

test('what a member of the crowd has is not leased to others', (t) => {
  const table = new LeaseTable(layout, 0);
  table.have('asker', [], 0);
  table.complete('finisher', 0);
  t.deepEqual(table.request('asker', nothing(), [], layout.pieceCount, 0), { waitMs: LEASE_LIMITS.retryMs });
});

test('those who come when others have the blob already get leases, each piece once', (t) => {
  const table = new LeaseTable(layout, 0);
  for (const member of ['a', 'b']) table.complete(member, 0);
  const leased = ['c', 'd']
    .map((member) => table.request(member, nothing(), [], 8, 1))
    .flatMap((answer) => ('extents' in answer ? [...answer.extents] : []));
  t.deepEqual(
    leased.map(({ first, count }) => [first, count]),
    [
      [0, 8],
      [8, 8],
    ],
  );
});

test('those who have it already and leave take nothing from those who came later', (t) => {
  const table = new LeaseTable(layout, 0);
  table.complete('holder', 0);
  table.have('asker', [[0, 4]], 1);
  table.leave('holder');
  const answer = table.request('late', nothing(), [], 4, 1);
  t.deepEqual('extents' in answer && answer.extents.map(({ first }) => first), [4]);
});

test('who comes when somebody has just completed gets from the others what only that one had', (t) => {
  const table = new LeaseTable(layout, 0);
  table.have('slower', [[0, 4]], 0);
  table.complete('done', 1);
  t.true('waitMs' in table.request('late', nothing(), [], 4, 2));
  table.leave('slower');
  t.true('extents' in table.request('late', nothing(), [], 4, 3), 'nobody is left to whom it has passed them on');
});

test('a member that no longer has what it had gets a lease for it', (t) => {
  const table = new LeaseTable(layout, 0);
  table.complete('asker', 0);
  const answer = table.request('asker', nothing(), [], 4, 1000);
  t.true('extents' in answer && answer.extents[0]!.count === 4);
});

test('a member that gets nothing from those that say they have it may read it itself after a while', (t) => {
  const table = new LeaseTable(layout, 0);
  table.have('asker', [], 0);
  table.complete('holder', 0);
  t.true('waitMs' in table.request('asker', nothing(), [], 4, 0));
  t.true('waitMs' in table.request('asker', nothing(), [], 4, LEASE_LIMITS.stuckMs - 1));
  const answer = table.request('asker', nothing(), [], 4, LEASE_LIMITS.stuckMs);
  t.deepEqual('extents' in answer && answer.extents.map(({ first, count }) => [first, count]), [[0, 4]]);
});

test('a member that makes progress waits on', (t) => {
  const table = new LeaseTable(layout, 0);
  table.have('asker', [], 0);
  table.complete('holder', 0);
  const bits = new Bitfield(layout.pieceCount);
  for (let piece = 0, now = 0; piece < 10; piece++, now += LEASE_LIMITS.stuckMs / 2) {
    t.true('waitMs' in table.request('asker', bits, [], 4, now));
    bits.set(piece);
  }
});

test('of an origin that gives blobs whole one member reads all that is missing, and the others wait for it', (t) => {
  const table = new LeaseTable(layout, 0);
  t.deepEqual(extent(table.request('a', nothing(), [], 4, 1, { ranges: 'unknown' })).first, 0);
  // Nobody knows yet: the first finds out.
  t.true('waitMs' in table.request('b', nothing(), [], 4, 2, { ranges: 'unknown' }));
  table.have('a', [[0, 4]], 100);
  table.end('a', 1, 'done', 100);
  t.true('waitMs' in table.request('b', nothing(), [], 4, 101, { ranges: 'unknown' }));
  const bits = nothing();
  bits.setRun(0, 4);
  const { first, count } = extent(table.request('a', bits, [], 4, 102, { ranges: 'ignored' }));
  t.deepEqual([first, count], [4, layout.pieceCount - 4]);
  t.true('waitMs' in table.request('b', nothing(), [], 4, 103, { ranges: 'unknown' }));
  table.leave('a');
  t.deepEqual(extent(table.request('b', nothing(), [], 4, 104, { ranges: 'unknown' })), { id: 3, first: 0, count: layout.pieceCount });
});

test('once somebody saw the origin heed Range all read at once', (t) => {
  const table = new LeaseTable(layout, 0);
  extent(table.request('a', nothing(), [], 4, 1, { ranges: 'unknown' }));
  t.true('waitMs' in table.request('b', nothing(), [], 4, 2, { ranges: 'unknown' }));
  extent(table.request('c', nothing(), [], 4, 3, { ranges: 'heeded' }));
  extent(table.request('b', nothing(), [], 4, 4, { ranges: 'unknown' }));
});
