import test from 'ava';
import { countMarkCompacts, parseThread, spent, startMeter, totalCpu } from '../../bench/threads.ts';

function stat(name: string, user: number, system: number): string {
  return `71 (${name}) S 1 71 71 0 -1 4194560 500 0 0 0 ${user} ${system} 900 900 20 0 12 0 1000 0 0`;
}

const status = 'Name:\tx\nVmHWM:\t 100 kB\nvoluntary_ctxt_switches:\t177\nnonvoluntary_ctxt_switches:\t112\n';

test('a thread is read from its stat and status, whatever its name holds', (t) => {
  t.deepEqual(parseThread(70, 71, stat('bulk) R 9 (x', 150, 50), status), { tid: 71, kind: 'bulk', cpuSeconds: 2, wakeUps: 177 });
});

test('a thread is known by its name, and the main one by its number', (t) => {
  const kinds = ['MainThread', 'bulk', 'bulk-2', 'V8Worker', 'DelayedTaskSche', 'libuv-worker', 'SignalInspector'].map(
    (name) => parseThread(70, 71, stat(name, 0, 0), status)?.kind,
  );
  t.deepEqual(kinds, ['other', 'bulk', 'bulk', 'v8', 'v8', 'pool', 'other']);
  t.is(parseThread(71, 71, stat('aria2c', 0, 0), status)?.kind, 'main');
  t.is(parseThread(70, 71, stat('v8:ProfEvntProc', 50, 0), status), undefined);
});

test('what was spent counts from the first look, or from its start for a thread that came later', (t) => {
  const before = new Map([
    [1, { tid: 1, kind: 'main', cpuSeconds: 5, wakeUps: 100 } as const],
    [2, { tid: 2, kind: 'pool', cpuSeconds: 1, wakeUps: 1 } as const],
  ]);
  const cost = spent(before, [
    { tid: 1, kind: 'main', cpuSeconds: 7, wakeUps: 150 },
    { tid: 3, kind: 'bulk', cpuSeconds: 4, wakeUps: 20 },
  ]);
  t.deepEqual(cost, { cpuSeconds: { main: 2, bulk: 4, v8: 0, pool: 0, other: 0 }, wakeUps: 70, busiest: 4 });
  t.is(totalCpu(cost), 6);
});

test('a running process has a cost, one that is gone has none', (t) => {
  const meter = startMeter([process.pid]);
  const { from, to, peakMemory } = meter();
  t.true(to >= from && peakMemory > 1e6);
  t.deepEqual(startMeter([2 ** 30])().peakMemory, 0);
});

test('full collections are counted, others are not', (t) => {
  t.is(
    countMarkCompacts(
      [
        '[9:0x1]      130 ms: Scavenge 5.2 (6.0) -> 4.9 (7.0) MB, pooled: 0 MB, 1.03 / 0.00 ms',
        '[9:0x1]      500 ms: Mark-Compact 45.1 (60.0) -> 40.2 (61.0) MB, pooled: 0 MB, 12.03 / 0.00 ms  (average mu = 0.9) external memory pressure; GC in old space requested',
        '[9:0x7f]     501 ms: Mark-Compact (reduce) 5.1 (6.0) -> 4.2 (6.0) MB',
        'nothing of it',
      ].join('\n'),
    ),
    2,
  );
});
