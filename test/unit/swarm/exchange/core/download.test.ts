import test from 'ava';
import { Bitfield } from '../../../../../src/swarm/exchange/core/bitfield.ts';
import { Download, type Command } from '../../../../../src/swarm/exchange/core/download.ts';
import { DOWNLOAD_LIMITS } from '../../../../../src/swarm/exchange/core/limits.ts';
import { PieceLayout } from '../../../../../src/swarm/exchange/core/piece-layout.ts';
import { bits, download, of, PIECE } from '../../../../support/downloads.ts';

test('alone, it asks for a lease, once', (t) => {
  const one = download();
  t.is(of(one.plan(0), 'ask-lease').length, 1);
  t.is(of(one.plan(1), 'ask-lease').length, 0);
});

test('the first extent is as long for pieces of any length, though of two at least', (t) => {
  for (const [pieceLength, pieces] of [
    [64 << 10, 4],
    [128 << 10, 2],
    [1 << 20, 2],
  ] as const) {
    const one = new Download(new PieceLayout(100 * pieceLength, pieceLength), () => 0);
    one.meet('other', 'fetching', undefined, 0);
    t.is(of(one.plan(0), 'ask-lease')[0]!.pieces, pieces);
  }
});

test('the longer an answer takes, the sooner the next lease is asked for', (t) => {
  const asksOn = (answeredAt: number): boolean => {
    const one = download(100);
    one.meet('other', 'fetching', undefined, 0);
    t.is(of(one.plan(0), 'ask-lease').length, 1);
    one.leased([{ id: 1, first: 0, count: 10 }], answeredAt);
    return of(one.plan(answeredAt + 1), 'ask-lease').length > 0;
  };
  t.false(asksOn(10));
  t.true(asksOn(800));
});

test('alone, it reads no more at a time than comes in a while, for others may join in', (t) => {
  const one = download(1000);
  const most = DOWNLOAD_LIMITS.maxExtentBytes / PIECE;
  const read = (now: number, ms: number): number => {
    const [ask] = of(one.plan(now), 'ask-lease');
    const [{ read }] = of(one.leased([{ id: now, first: one.have.count, count: ask!.pieces }], now), 'read') as [
      Extract<Command, { type: 'read' }>,
    ];
    for (let piece = 0; piece < read.extent.count; piece++) one.arrived(read.extent.first + piece, { read }, true, now + ms);
    one.readEnded(read, now + ms);
    return read.extent.count;
  };
  const slow = [read(1, 1000), read(2000, 2000), read(5000, 2000)];
  t.is(slow[0], DOWNLOAD_LIMITS.firstExtentBytes / PIECE);
  t.true(
    Math.max(...slow) <= 2 * (DOWNLOAD_LIMITS.firstExtentBytes / PIECE) * (DOWNLOAD_LIMITS.aloneMs / 1000),
    `${slow.join(', ')} pieces`,
  );
  t.true(read(8000, 10) < most);
  t.is(read(8100, 10), most);
});

test('a holder is asked directly and in order, and no lease is needed', (t) => {
  const one = download();
  one.meet('holder', 'complete', undefined, 0);
  const commands = one.plan(0);
  t.is(of(commands, 'ask-lease').length, 0);
  t.is(of(commands, 'fetch')[0]!.fetch.first, 0);
});

test('what a member has that is not trusted any more is wanted from elsewhere, whatever it says later', (t) => {
  const one = download();
  one.meet('other', 'fetching', bits(one, 3, 5), 0);
  for (const piece of [0, 1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) one.arrived(piece, {}, true, 1);
  const commands = one.plan(1);
  t.is(of(commands, 'ask-lease').length, 0);
  one.distrust('other', 2);
  for (const { fetch } of of(commands, 'fetch')) one.fetchEnded(fetch, 'cancelled', 2);
  one.gained('other', [[5, 1]], false, 2);
  one.meet('other', 'complete', undefined, 3);
  t.is(of(one.plan(3), 'ask-lease').length, 1);
});

test('a holder that is not trusted any more is not asked again because a request to it has failed', (t) => {
  const one = download();
  one.meet('holder', 'complete', undefined, 0);
  const [{ fetch }] = of(one.plan(0), 'fetch') as [Extract<Command, { type: 'fetch' }>];
  one.distrust('holder', 1);
  one.fetchEnded(fetch, 'failed', 2);
  t.deepEqual(of(one.plan(600_000), 'fetch'), []);
});

test('the embedded origin is not asked directly, but read under leases', (t) => {
  const one = download();
  one.meet('origin', 'origin', undefined, 0);
  const commands = one.plan(0);
  t.is(of(commands, 'fetch').length, 0);
  t.is(of(commands, 'ask-lease').length, 1);
});

test('in a crowd with one holder new pieces come under leases, read from the holder', (t) => {
  const one = download();
  one.meet('holder', 'complete', undefined, 0);
  one.meet('rival', 'fetching', undefined, 0);
  t.is(of(one.plan(0), 'fetch').length, 0);
  const [read] = of(one.leased([{ id: 1, first: 0, count: 2 }], 0), 'read');
  t.is(read!.read.source, 'holder');
});

test('what a neighbour was to bring is wanted again when it goes', (t) => {
  const one = download(1);
  one.meet('other', 'fetching', bits(one, 0), 0);
  const [begun] = of(one.plan(0), 'fetch');
  t.false(one.idle(1));
  one.lose('other');
  one.fetchEnded(begun!.fetch, 'failed', 1);
  t.is(of(one.plan(1), 'ask-lease').length, 1);
});

test('a failed request is made to somebody else, and the one that failed rests', (t) => {
  const one = download(1);
  one.meet('a', 'complete', undefined, 0);
  one.meet('b', 'complete', undefined, 0);
  const [first] = of(one.plan(0), 'fetch');
  one.fetchEnded(first!.fetch, 'failed', 1);
  const [second] = of(one.plan(1), 'fetch');
  t.not(second!.fetch.peer, first!.fetch.peer);
});

test('whoever coordinates from now on hears at once what is being read', (t) => {
  const one = download(256);
  one.meet('rival', 'fetching', undefined, 0);
  one.coordinator = 'before';
  t.is(of(one.plan(0), 'ask-lease').length, 1);
  one.leased([{ id: 1, first: 0, count: 200 }], 0);
  t.deepEqual(of(one.plan(1), 'ask-lease'), [], 'it has enough to read');
  one.coordinator = 'after';
  t.like(of(one.plan(2), 'ask-lease')[0], { active: [[0, 200]] });
  one.leaseDelayed(100, 3);
  t.deepEqual(of(one.plan(200), 'ask-lease'), [], 'once');
});

test('whoever coordinates from now on is told of everything that is here', (t) => {
  const one = download();
  one.coordinator = 'before';
  one.arrived(3, {}, true, 1000);
  t.is(of(one.plan(1000), 'have').length, 1);
  one.coordinator = 'after';
  t.deepEqual(of(one.plan(1001), 'have'), [{ type: 'have', peers: ['after'], forZone: false, runs: [[3, 1]] }]);
  t.deepEqual(of(one.plan(2000), 'have'), []);
});

test('news goes to those who fetch and to the coordinator, in batches', (t) => {
  const one = download();
  one.meet('rival', 'fetching', undefined, 0);
  one.coordinator = 'coordinator';
  for (const piece of [3, 4, 5]) one.arrived(piece, {}, true, 100);
  t.deepEqual(of(one.plan(1000), 'have'), [
    { type: 'have', peers: ['rival'], forZone: false, runs: [[3, 3]] },
    { type: 'have', peers: ['coordinator'], forZone: false, runs: [[3, 3]] },
  ]);
  one.arrived(6, {}, true, 1001);
  t.is(of(one.plan(1002), 'have').length, 0);
});

test('on a slow line news waits for some pieces', (t) => {
  const one = download();
  const rivals = Array.from({ length: DOWNLOAD_LIMITS.meshNewsNeighbours }, (_, i) => `rival-${i}`);
  for (const rival of rivals) one.meet(rival, 'fetching', undefined, 0);
  for (const piece of [0, 1, 2, 3]) one.arrived(piece, {}, true, 1000 + 50 * piece);
  t.is(of(one.plan(1150), 'have').length, 1);
  one.arrived(4, {}, true, 1200);
  t.is(of(one.plan(1150 + DOWNLOAD_LIMITS.meshNewsMs), 'have').length, 0);
  t.deepEqual(of(one.plan(1150 + 50 * DOWNLOAD_LIMITS.newsPieces), 'have'), [
    { type: 'have', peers: rivals, forZone: false, runs: [[4, 1]] },
  ]);
});

/** How long a piece waits to be told of, where one has come each `pieceMs`. */
function newsWaits(rivals: number, pieces: number, pieceMs: number): number {
  const one = download(pieces);
  for (let i = 0; i < rivals; i++) one.meet(`rival-${i}`, 'fetching', undefined, 0);
  const measured = Math.ceil(400 / pieceMs);
  for (let piece = 0; piece <= measured; piece++) one.arrived(piece, {}, true, 1000 + piece * pieceMs);
  const toldAt = 1000 + measured * pieceMs;
  one.plan(toldAt);
  one.arrived(measured + 1, {}, true, toldAt + 1);
  let now = toldAt + 1;
  while (of(one.plan(now), 'have').length === 0) now++;
  return now - toldAt;
}

test('a few hear news sooner than many', (t) => {
  const { meshNewsMs, meshNewsNeighbours } = DOWNLOAD_LIMITS;
  t.deepEqual(
    [1, 3, meshNewsNeighbours].map((count) => newsWaits(count, 1024, 10)),
    [15, 43, meshNewsMs],
  );
});

test('news of a blob that comes within a second or two does not wait for long', (t) => {
  const { leastNewsMs, meshNewsMs, meshNewsNeighbours, newsOfBlob } = DOWNLOAD_LIMITS;
  t.is(newsWaits(meshNewsNeighbours, 1024, 1), Math.ceil(1024 / newsOfBlob));
  t.is(newsWaits(meshNewsNeighbours, 450, 1), leastNewsMs);
  t.is(newsWaits(meshNewsNeighbours, 1024, 6), meshNewsMs);
});

test('a piece that nobody may be given yet is not announced', (t) => {
  const one = download();
  one.meet('rival', 'fetching', undefined, 0);
  one.arrived(3, {}, false, 100);
  t.is(of(one.plan(1000), 'have').length, 0);
  one.makeServable(3);
  t.is(of(one.plan(1001), 'have').length, 1);
});

test('pieces that turned out wrong are wanted again', (t) => {
  const one = download(1);
  one.meet('holder', 'complete', undefined, 0);
  one.arrived(0, {}, true, 0);
  t.is(of(one.plan(0), 'fetch').length, 0);
  one.forget([0]);
  t.is(of(one.plan(1), 'fetch').length, 1);
});

test('members of this zone are asked before others', (t) => {
  const one = download(4);
  one.meet('far', 'complete', undefined, 0, 'elsewhere');
  one.meet('near', 'complete', undefined, 0);
  t.is(of(one.plan(0), 'fetch')[0]!.fetch.peer, 'near');
});

test('holders of another zone are asked directly by one who is alone in its own, and read under leases by several', (t) => {
  const one = download();
  for (const peer of ['far-1', 'far-2', 'far-3', 'far-4']) one.meet(peer, 'complete', undefined, 0, 'elsewhere');
  t.true(of(one.plan(0), 'fetch').length > 0);
  const several = download();
  for (const peer of ['far-1', 'far-2', 'far-3', 'far-4']) several.meet(peer, 'complete', undefined, 0, 'elsewhere');
  several.meet('near', 'fetching', undefined, 0);
  const commands = several.plan(0);
  t.is(of(commands, 'fetch').length, 0);
  t.is(of(commands, 'ask-lease').length, 1);
});

test('of what it reads under a lease one member of each other zone is told at once', (t) => {
  const one = download();
  for (const peer of ['near-1', 'near-2', 'near-3']) one.meet(peer, 'fetching', undefined, 0);
  for (const peer of ['b-1', 'b-2']) one.meet(peer, 'fetching', undefined, 0, 'b');
  one.meet('c-1', 'fetching', undefined, 0, 'c');
  const begun = one.leased([{ id: 1, first: 4, count: 1 }], 0);
  one.arrived(4, { read: of(begun, 'read')[0]!.read }, true, 0);
  t.deepEqual(
    of(one.plan(1), 'have'),
    ['b-1', 'c-1'].map((peer) => ({ type: 'have', peers: [peer], forZone: true, runs: [[4, 1]] })),
  );
  t.deepEqual(
    of(one.plan(1000), 'have').map(({ forZone, peers }) => [peers, forZone]),
    [[['near-1', 'near-2', 'near-3', 'b-1', 'b-2', 'c-1'], false]],
  );
});

test('what is not to be passed on yet is told to no other zone', (t) => {
  const one = download();
  one.meet('far', 'fetching', undefined, 0, 'elsewhere');
  const [begun] = of(one.leased([{ id: 1, first: 4, count: 1 }], 0), 'read');
  one.arrived(4, { read: begun!.read }, false, 0);
  t.is(of(one.plan(1000), 'have').length, 0);
});

test('what it is told for its whole zone it fetches at once, however much it has asked for', (t) => {
  const one = download(64);
  for (const peer of ['near-1', 'near-2', 'near-3', 'near-4']) one.meet(peer, 'fetching', bits(one, ...Array(32).keys()), 0);
  one.meet('far', 'fetching', undefined, 0, 'elsewhere');
  t.true(of(one.plan(0), 'fetch').every(({ fetch }) => fetch.peer !== 'far'));
  t.false(one.gained('far', [[40, 1]], false, 1));
  t.is(of(one.plan(1), 'fetch').length, 0);
  t.true(
    one.gained(
      'far',
      [
        [41, 1],
        [43, 1],
      ],
      true,
      2,
    ),
  );
  t.deepEqual(
    of(one.plan(2), 'fetch').map(({ fetch: { peer, first, count } }) => [peer, first, count]),
    [
      ['far', 41, 1],
      ['far', 43, 1],
    ],
  );
  t.true(one.gained('far', [[45, 1]], true, 3));
  t.is(of(one.plan(3), 'fetch').length, 0, 'two requests to one member are enough');
});

test('a member of its own zone cannot make it fetch at once', (t) => {
  const one = download(64);
  for (const peer of ['near-1', 'near-2', 'near-3', 'near-4']) one.meet(peer, 'fetching', bits(one, ...Array(32).keys()), 0);
  one.meet('pushy', 'fetching', undefined, 0);
  one.plan(0);
  t.false(one.gained('pushy', [[40, 8]], true, 1));
  t.is(of(one.plan(1), 'fetch').length, 0);
});

test('in a crowd that is no mesh news is told soon', (t) => {
  const one = download();
  one.reach = 'some';
  for (const peer of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) one.meet(peer, 'fetching', undefined, 0);
  const begun = one.leased([{ id: 1, first: 0, count: 2 }], 0);
  const { read } = of(begun, 'read')[0]!;
  one.arrived(0, { read }, true, 100);
  t.is(of(one.plan(100), 'have').length, 1);
  one.arrived(1, { read }, true, 101);
  t.is(of(one.plan(100 + DOWNLOAD_LIMITS.relayNewsMs), 'have').length, 1);
});

test('only so much is asked of members that fetch themselves, spread over them', (t) => {
  const one = download(64);
  for (const peer of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']) one.meet(peer, 'fetching', Bitfield.full(64), 0);
  const fetches = of(one.plan(0), 'fetch').map(({ fetch }) => fetch);
  t.is(
    fetches.reduce((pieces, { count }) => pieces + count, 0),
    DOWNLOAD_LIMITS.askedPieces,
  );
  t.is(new Set(fetches.map(({ peer }) => peer)).size, DOWNLOAD_LIMITS.askedPieces);
  one.arrived(fetches[0]!.first, { fetch: fetches[0]! }, true, 10);
  one.fetchEnded(fetches[0]!, 'done', 10);
  t.is(of(one.plan(10), 'fetch').length, 1);
});

test('a member that finished in the crowd is still asked for what it has', (t) => {
  const one = download(4);
  one.meet('a', 'fetching', undefined, 0);
  one.meet('b', 'fetching', undefined, 0);
  one.meet('a', 'complete', undefined, 1);
  t.true(of(one.plan(2), 'fetch').every(({ fetch }) => fetch.peer === 'a'));
  t.is(of(one.plan(2), 'ask-lease').length, 0);
});

test('neighbours are told only of what they lack', (t) => {
  const one = download();
  one.meet('has-3', 'fetching', bits(one, 3), 0);
  one.meet('empty', 'fetching', undefined, 0);
  one.arrived(3, {}, true, 1000);
  t.deepEqual(of(one.plan(1000), 'have'), [{ type: 'have', peers: ['empty'], forZone: false, runs: [[3, 1]] }]);
  one.gained('empty', [[3, 2]], false, 1001);
  one.arrived(4, {}, true, 2000);
  one.gained('has-3', [[4, 1]], false, 2000);
  t.is(of(one.plan(3000), 'have').length, 0);
});
