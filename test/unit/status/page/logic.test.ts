import test from 'ava';
import * as fc from 'fast-check';
import type { SwarmChange, SwarmTrouble } from '../../../../src/status/swarm-document.ts';
import { matches, pageOf } from '../../../../src/status/page/filter.ts';
import { layOutFlows } from '../../../../src/status/page/flow-layout.ts';
import { Marks, stripInOrder, stripOf, unbroken } from '../../../../src/status/page/marks.ts';
import { Model } from '../../../../src/status/page/model.ts';
import { groupTroubles } from '../../../../src/status/page/troubles.ts';
import { groupByZone } from '../../../../src/status/page/zones.ts';
import { EntryDiff } from '../../../../src/status/entry-diff.ts';
import { makeSwarm } from '../../../support/swarm-sample.ts';

test('a filter wants every word, in any order and case', (t) => {
  t.true(matches('', 'anything'));
  t.true(matches('  RACK-1 node', 'node-7', 'rack-1'));
  t.false(matches('node rack-2', 'node-7', 'rack-1'));
});

test('pages stay inside the list', (t) => {
  const items = Array.from({ length: 25 }, (_, index) => index);
  t.like(pageOf(items, 0, 10), { page: 0, pages: 3, first: 1, last: 10, total: 25 });
  t.like(pageOf(items, 9, 10), { page: 2, first: 21, last: 25 });
  t.like(pageOf([], 2, 10), { page: 0, pages: 1, first: 0, last: 0, total: 0 });
});

test('a strip has all its cells, the origin first, and shows what is missing', (t) => {
  const sources = [
    { source: 'a', bytes: 30 },
    { source: 'origin', bytes: 10 },
    { source: 'b', bytes: 0 },
  ];
  t.deepEqual(stripOf(sources, 40, 80, 8), [
    { kind: 'source', source: 'origin', cells: 1 },
    { kind: 'source', source: 'a', cells: 3 },
    { kind: 'missing', source: '', cells: 4 },
  ]);
  t.deepEqual(stripOf([], 20, 40, 4), [
    { kind: 'here', source: '', cells: 2 },
    { kind: 'missing', source: '', cells: 2 },
  ]);
  t.deepEqual(stripOf([], 0, null, 4), [{ kind: 'missing', source: '', cells: 4 }]);
});

test('a strip in the order of the blob has the letters of who gave each part', (t) => {
  const [source, missing] = [{ kind: 'source', cells: 1 } as const, { kind: 'missing', source: '', cells: 1 } as const];
  t.deepEqual(stripInOrder([1, -1, 0, -2, -3, 9], [{ source: 'origin' }, { source: 'a' }]), [
    { ...source, source: 'a' },
    missing,
    { ...source, source: 'origin' },
    { ...missing, kind: 'here' },
    { ...source, source: '' },
    { ...source, source: '' },
  ]);
  t.is(unbroken([1, -2, -1, 0]), 2);
  t.is(unbroken([1, 1]), 2);
});

test('whatever a member says of a transfer, its strip is as long as any other', (t) => {
  const amount = fc.nat(2 ** 40);
  fc.assert(
    fc.property(
      fc.array(fc.record({ source: fc.string(), bytes: amount }), { maxLength: 24 }),
      amount,
      fc.option(amount),
      (sources, have, size) => {
        t.is(
          stripOf(sources, have, size, 48).reduce((sum, { cells }) => sum + cells, 0),
          48,
        );
      },
    ),
  );
});

test('marks stay with whom they were given to', (t) => {
  const marks = new Marks();
  marks.meet(['a', 'b']);
  t.deepEqual(marks.of('b'), { letter: '2', colour: 'c-1' });
  marks.meet(['c', 'b', 'a']);
  t.deepEqual([marks.of('a').letter, marks.of('c').letter, marks.of('origin').letter], ['1', '3', 'O']);
});

test('flows that are too many to tell apart are put together, and none of their bytes is lost', (t) => {
  const flows = Array.from({ length: 40 }, (_, index) => ({ from: `s${index}`, to: `r${index % 20}`, bytesPerSecond: 100 + index }));
  const { senders, receivers, ribbons, height } = layOutFlows(flows, { ends: 10, bytes: 200, gap: 8, least: 30 });
  t.is(senders.length, 10);
  t.is(receivers.length, 10);
  t.is(senders.find(({ id }) => id === '')?.nodes, 31);
  const total = flows.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
  for (const list of [senders, receivers, ribbons])
    t.is(
      list.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
      total,
    );
  t.true([...senders, ...receivers].every((end) => end.y >= -0.001 && end.y + end.height <= height + 0.001));
  t.deepEqual(layOutFlows([], { ends: 10, bytes: 200, gap: 8, least: 30 }), { senders: [], receivers: [], ribbons: [], height: 0 });
});

test('what many nodes say of one thing is one line, the worst first', (t) => {
  const trouble = (node: string, more: Partial<SwarmTrouble>): SwarmTrouble => ({
    node,
    kind: 'health',
    level: 'bad',
    subject: 'origin',
    name: '',
    sentence: 'the origin is unreachable',
    since: 10,
    ...more,
  });
  const grouped = groupTroubles(
    [
      trouble('a', { level: 'degraded', subject: 'clock', sentence: 'the clock is behind' }),
      trouble('b', {}),
      trouble('c', { since: 5 }),
      trouble('self', { subject: 'store', sentence: 'full' }),
    ],
    'self',
  );
  t.deepEqual(
    grouped.map(({ subject, nodes, since }) => [subject, nodes.join(), since]),
    [
      ['store', 'self', 10],
      ['origin', 'b,c', 5],
      ['clock', 'a', 10],
    ],
  );
});

test('nodes are grouped by zone, this one and those that are not well first, and counted as people count', (t) => {
  const nodes = Object.values(makeSwarm({ nodes: 30, images: 0 }).nodes).map((node) => ({
    ...node,
    zone: node.number % 2 === 0 ? 'rack-2' : 'rack-10',
  }));
  const zones = groupByZone(nodes);
  t.deepEqual(
    zones.map(({ name }) => name),
    ['rack-2', 'rack-10'],
  );
  t.deepEqual(
    zones[1]!.nodes.slice(0, 4).map(({ name }) => name),
    ['node-1', 'node-3', 'node-5', 'node-7'],
  );
  t.deepEqual(
    zones[0]!.nodes.slice(0, 6).map(({ name }) => name),
    ['node-2', 'node-4', 'node-6', 'node-8', 'node-10', 'node-12'],
  );
});

test('the model is what the changes say, and forgets what is gone', (t) => {
  const diff = new EntryDiff();
  const model = new Model();
  const apply = (json: string | undefined): void => {
    if (json !== undefined) model.apply(JSON.parse(json) as SwarmChange);
  };
  const before = makeSwarm({ nodes: 5, images: 3, moving: 2, now: 1e12 });
  diff.change({ ...before });
  apply(diff.whole());
  const after = makeSwarm({ nodes: 4, images: 3, now: 1e12 });
  const change = diff.change({ ...after })!;
  t.false(change.includes('"jobs":{'), 'what did not change is not told');
  apply(change);
  for (const name of ['nodes', 'flows', 'transfers', 'pulls', 'images', 'registries', 'troubles', 'jobs'] as const)
    t.deepEqual(Object.fromEntries(model[name]), after[name] as never, name);
  t.deepEqual(model.self, after.about.self);
  t.is(diff.change({ ...after }), undefined);
  t.is(model.nameOf('origin'), 'origin');
  t.is(model.nameOf('12D3KooWNode2'), 'node-2');
  t.is(model.nameOfNumber(99), 'a node that left');
});

test('a page that is told of ever more does not grow without end', (t) => {
  const model = new Model();
  for (let round = 0; round < 50; round++) {
    const flows = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`${round}/${index}`, { from: 'a', to: 'b', bytesPerSecond: 1 }]),
    );
    model.apply({ full: false, set: { flows }, gone: {} });
  }
  t.is(model.flows.size, 2000);
});
