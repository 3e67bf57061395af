import test from 'ava';
import { Bitfield, type Run } from '../../../../../src/swarm/exchange/core/bitfield.ts';
import { DOWNLOAD_LIMITS } from '../../../../../src/swarm/exchange/core/limits.ts';
import { Neighbour } from '../../../../../src/swarm/exchange/core/neighbour.ts';
import { PieceLayout } from '../../../../../src/swarm/exchange/core/piece-layout.ts';
import { PieceTable } from '../../../../../src/swarm/exchange/core/piece-table.ts';
import { farRequests, farZone, ImportGuard, oneOfEachZone } from '../../../../../src/swarm/exchange/core/zone-budget.ts';
import { chooseFetches } from '../../../../support/choose-fetches.ts';
import { awaitedSince } from '../../../../../src/swarm/exchange/core/silence.ts';

const PIECES = 4096;
const LAYOUT = new PieceLayout(PIECES * 65_536);
let nextId = 0;

function holders(count: number, near: boolean, has: Bitfield = Bitfield.full(LAYOUT.pieceCount)): Neighbour[] {
  return Array.from({ length: count }, () => {
    const neighbour = new Neighbour(`peer ${nextId++}`, 'complete', has);
    neighbour.farZone = near ? undefined : 'elsewhere';
    return neighbour;
  });
}

/** Asks `sources` at the time given, and gives how many requests go near, and how many far. */
function ask(table: PieceTable, sources: readonly Neighbour[], now: number): { near: number; far: number } {
  const chosen = chooseFetches(table, sources, { now });
  const far = chosen.filter(({ peer }) => sources.some((source) => source.peer === peer && !source.near)).length;
  return { near: chosen.length - far, far };
}

function begin(source: Neighbour, [first, count]: Run, now: number): void {
  const id = nextId++;
  source.fetches.set(id, {
    id,
    peer: source.peer,
    first,
    count,
    startedAt: now,
    relayed: false,
    isBegun: false,
    arrived: 0,
    ...awaitedSince(now),
  });
}

test('while the own zone delivers, one request in a few crosses zones, and always one', (t) => {
  for (const [near, far] of [
    [1, 1],
    [2, 1],
    [4, 2],
    [10, 5],
  ] as const) {
    const table = new PieceTable(LAYOUT);
    const sources = [...holders(near, true), ...holders(20, false)];
    const first = ask(table, sources, 0);
    t.is(first.near, 2 * near);
    t.is(first.far, 1);
    const second = ask(table, sources, 10);
    t.is(first.far + second.far, far);
  }
});

test('a zone that has nothing of what is wanted does not wait', (t) => {
  const table = new PieceTable(LAYOUT);
  const empty = new Bitfield(LAYOUT.pieceCount);
  t.is(ask(table, [...holders(3, true, empty), ...holders(5, false)], 0).far, 10);
  t.is(ask(new PieceTable(LAYOUT), holders(5, false), 0).far, 10);
});

test('near ones that say they have it and send nothing do not starve the zone', (t) => {
  const table = new PieceTable(LAYOUT);
  const sources = [...holders(3, true), ...holders(5, false)];
  t.deepEqual(ask(table, sources, 0), { near: 6, far: 1 });
  t.is(ask(table, sources, 500).far, 0);
  t.is(ask(table, sources, 1500).far, 9);
});

test('near ones that deliver slowly still count', (t) => {
  const sources = [...holders(2, true), ...holders(2, false)];
  for (const source of sources.filter(({ near }) => near)) {
    begin(source, [0, 8], 0);
    for (const fetch of source.fetches.values()) fetch.arrived = 1;
  }
  t.is(
    farRequests(sources, () => false, 5000),
    1,
  );
});

function fetching(near: boolean, has: readonly number[]): Neighbour {
  const bits = new Bitfield(LAYOUT.pieceCount);
  for (const piece of has) bits.set(piece);
  const neighbour = new Neighbour(`peer ${nextId++}`, 'fetching', bits);
  neighbour.farZone = near ? undefined : 'elsewhere';
  return neighbour;
}

/** A table on which the pieces of these neighbours were seen at 1 ms. */
function tableOf(...sources: readonly Neighbour[]): PieceTable {
  const table = new PieceTable(LAYOUT);
  for (const { bits } of sources)
    for (const [first, count] of bits.runs()) for (let piece = first; piece < first + count; piece++) table.seen(piece, 1, 1);
  return table;
}

test('a member is far when its zone is another, and never where this node has none', (t) => {
  t.is(farZone('a', 'b'), 'b');
  t.is(farZone('a', 'a'), undefined);
  t.is(farZone('a', undefined), '');
  t.is(farZone(undefined, 'b'), undefined);
});

test('of new pieces hears one member of each other zone', (t) => {
  const neighbours = [undefined, 'b', 'b', 'c', undefined, 'c', 'b'].map((zone) => Object.assign(fetching(true, []), { farZone: zone }));
  t.deepEqual(
    oneOfEachZone(neighbours, () => 0),
    [neighbours[1]!, neighbours[3]!],
  );
  t.deepEqual(
    oneOfEachZone(neighbours, () => 0.99),
    [neighbours[5]!, neighbours[6]!],
  );
});

test('of very many zones only some hear of new pieces', (t) => {
  const neighbours = Array.from({ length: 20 }, (_, zone) => Object.assign(fetching(true, []), { farZone: `${zone}` }));
  t.is(new Set(oneOfEachZone(neighbours, Math.random)).size, 5);
});

test('what only other zones have is waited for, and fetched when it does not come', (t) => {
  const sources = [fetching(true, []), fetching(true, []), fetching(false, [7])];
  const table = tableOf(...sources);
  const guard = new ImportGuard(LAYOUT.pieceCount, () => 1);
  const longest = 2 * 250;
  t.deepEqual(chooseFetches(table, sources, { now: longest, guard }), []);
  t.deepEqual(
    chooseFetches(table, sources, { now: longest + 2, guard }).map(({ first }) => first),
    [7],
  );
});

test('what a neighbour in the own zone has does not cross zones, however busy it is', (t) => {
  const busy = fetching(true, [7, 8, 9]);
  const sources = [busy, fetching(true, []), fetching(false, [7, 8, 9, 10])];
  const table = tableOf(...sources);
  for (const piece of [8, 9]) begin(busy, [piece, 1], 9_500);
  t.deepEqual(
    chooseFetches(table, sources, { now: 10_000 }).map(({ first }) => first),
    [10],
  );
});

test('a piece that a neighbour in the own zone says it has and does not give comes from elsewhere', (t) => {
  const liar = fetching(true, [7]);
  const sources = [liar, fetching(true, []), fetching(false, [7])];
  const table = tableOf(...sources);
  liar.distrust();
  t.is(chooseFetches(table, sources, { now: 10_000 }).length, 1);
});

test('alone in its zone a member waits for nobody', (t) => {
  const sources = [fetching(false, [7])];
  t.is(chooseFetches(tableOf(...sources), sources, { now: 1 }).length, 1);
});

test('of many in a zone few fetch a piece that none of them got, soon', (t) => {
  const MEMBERS = 250;
  const sources = [...Array.from({ length: 12 }, () => fetching(true, [])), fetching(false, [7])];
  const table = tableOf(...sources);
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const waits = Array.from({ length: MEMBERS }, () => {
    const guard = new ImportGuard(LAYOUT.pieceCount, random);
    let now = 2;
    while (!guard.importable(table, sources, now)!(7)) now += 10;
    return now;
  }).sort((a, b) => a - b);
  t.true(waits[0]! < 200, `${waits[0]} ms`);
  // The time in which a piece spreads so far that others see it.
  const soon = waits.filter((wait) => wait <= waits[0]! + 300).length;
  t.true(soon <= MEMBERS / 25, `${soon} fetch it`);
});

test('of two zones the one without a holder is done soon after the other, and most pieces cross between them once', (t) => {
  // Each request brings its run within a round, but of those between zones no more than the link between them carries.
  const LINKS = 2;
  const zones = [0, 0, 0, 0, 1, 1, 1, 1];
  const tables = zones.map(() => new PieceTable(new PieceLayout(256 * 65_536)));
  const finished: (number | undefined)[] = zones.map(() => undefined);
  let across = 0;
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 1; finished.includes(undefined) && round < 1000; round++) {
    const now = round * 100;
    let links = LINKS;
    const arrivals: [number, Run][] = [];
    tables.forEach((table, node) => {
      if (finished[node] !== undefined) return;
      const sources = [
        ...holders(1, zones[node] === 0),
        ...tables.flatMap((other, index) =>
          index === node
            ? []
            : Object.assign(new Neighbour(`${index}`, 'fetching', other.have), {
                farZone: zones[index] === zones[node] ? undefined : 'elsewhere',
              }),
        ),
      ];
      for (const { peer, first, count } of chooseFetches(table, sources, {
        now,
        limits: { ...DOWNLOAD_LIMITS, maxRunBytes: 4 * 65_536 },
        random,
      })) {
        const { near } = sources.find((source) => source.peer === peer)!;
        table.release([first, count]);
        if (near) arrivals.push([node, [first, count]]);
        else if (links > 0) {
          links -= 1;
          across += count;
          arrivals.push([node, [first, count]]);
        }
      }
    });
    for (const [node, [first, count]] of arrivals) {
      for (let piece = first; piece < first + count; piece++) {
        if (tables[node]!.got(piece)) tables.forEach((other) => other.seen(piece, 1, now));
      }
    }
    tables.forEach(({ have }, node) => {
      if (have.isFull) finished[node] ??= round;
    });
  }
  const last = (zone: number): number => Math.max(...finished.filter((_, node) => zones[node] === zone).map((round) => round ?? Infinity));
  t.true(last(1) < 1.5 * last(0), finished.join(' '));
  t.log(`rounds: ${finished.join(' ')}; ${across} pieces crossed zones`);
  t.true(across < 1.5 * 256, `${across} pieces crossed zones`);
});
