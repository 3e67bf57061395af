import test from 'ava';
import { caseOf, describeCase, FAST_CASES } from '../../bench/fast/cases.ts';
import { HEAD, medianRound, row } from '../../bench/fast/table.ts';
import type { SystemResult } from '../../bench/crowd/stage.ts';

function result(...clients: number[]): SystemResult {
  return {
    hosts: clients.map((client) => ({ proven: client, client, firstBytes: client / 10 })),
    originCopies: 1,
    busy: 1,
    cost: { cpuSeconds: { main: 2, bulk: 1, v8: 0.5, pool: 0.25, other: 0 }, wakeUps: 5000, busiest: 2, from: 0, to: 1, peakMemory: 200e6 },
    originCpuSeconds: 0.5,
  };
}

test('a case is named on the command line as in the table', (t) => {
  t.is(describeCase(caseOf({ hosts: '4', size: '512M' })), '4 hosts, 512 MiB');
  t.is(describeCase(caseOf({ hosts: '2', size: '5G', rate: '1gbit' })), '2 hosts, 5 GiB, 1000 Mbit/s');
  t.is(caseOf({ hosts: '8', size: '12' }).layers.length, 12);
  t.is(new Set(FAST_CASES.map(describeCase)).size, FAST_CASES.length);
});

test('a case that cannot be meant is refused', (t) => {
  for (const words of [
    { hosts: 'x', size: '1M' },
    { hosts: '0', size: '1M' },
    { hosts: '4', size: '512' },
    { hosts: '4', size: '512M', rate: 'fast' },
  ]) {
    t.throws(() => caseOf(words), { message: /^expected a / });
  }
});

test('a row has all figures of the median round, for each GiB and node', (t) => {
  const rounds = [result(9, 1), result(3, 4), result(5, 2)];
  t.is(medianRound(rounds), rounds[2]!);
  const measured = {
    fast: caseOf({ hosts: '2', size: '512M', rate: '1gbit' }),
    system: 'layerswarm',
    payloadBytes: 2 ** 29,
    rounds,
    markCompacts: 8,
  };
  const text = row(measured, 2);
  t.is(
    text,
    '| 2 hosts, 512 MiB, 1000 Mbit/s | layerswarm | 0.2 to 0.5 | 5.0 | 2.50 | 1.16 | 1.000 | 3.75 | 2.00 | 1.00 | 0.50 | 0.25 | 0.00 | 5000 | 8.0 | 200 | 0.50 |',
  );
  for (const line of HEAD.split('\n')) t.is(line.split('|').length, text.split('|').length);
});
