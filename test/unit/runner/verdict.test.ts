import test from 'ava';
import { Verdict } from '../../runner/verdict.ts';

const passed = { title: 'unit › adds', outcome: 'passed', detail: [] } as const;
const failed = { title: 'unit › divides', outcome: 'failed', detail: ['by zero'] } as const;
const skipped = { title: 'e2e › boots', outcome: 'skipped', detail: [] } as const;
const strict = { nothingSkipped: true };
const lenient = { nothingSkipped: false };

function verdictOf(results: readonly (typeof passed | typeof failed | typeof skipped)[], flaky: readonly string[] = []): Verdict {
  const verdict = new Verdict();
  for (const result of results) verdict.add(result);
  for (const title of flaky) verdict.addFlaky({ title, detail: ['too late'] });
  return verdict;
}

test('a run in which everything passed says so in its last line, and ends with 0', (t) => {
  const verdict = verdictOf([passed, passed]);
  t.deepEqual(verdict.lastLines(), ['2 passed, 0 failed, 0 skipped']);
  t.is(verdict.exitCode(strict), 0);
});

test('a failure is said again at the end, and ends the run with 1', (t) => {
  const verdict = verdictOf([passed, failed]);
  t.deepEqual(verdict.lastLines(), ['what failed', '  ✘ unit › divides', '      by zero', '1 passed, 1 failed, 0 skipped']);
  t.is(verdict.exitCode(lenient), 1);
});

test('one test that passes only on its second run is named, and the run passes', (t) => {
  const verdict = verdictOf([passed], ['e2e › pulls']);
  t.deepEqual(verdict.lastLines(), [
    'what passed on its second run only',
    '  ✘ e2e › pulls',
    '      too late',
    'flaky: e2e › pulls',
    '2 passed, 0 failed, 0 skipped',
  ]);
  t.is(verdict.exitCode(strict), 0);
});

test('two tests that pass only on their second run fail the run, and it says why', (t) => {
  const verdict = verdictOf([passed], ['e2e › pulls', 'e2e › seeds']);
  t.deepEqual(verdict.lastLines(), [
    'what passed on its second run only',
    '  ✘ e2e › pulls',
    '      too late',
    '  ✘ e2e › seeds',
    '      too late',
    'flaky: e2e › pulls; e2e › seeds',
    'failed: 2 tests passed only on their second run, and 1 may',
    '3 passed, 0 failed, 0 skipped',
  ]);
  t.is(verdict.exitCode(lenient), 1);
});

test('a skipped test fails the run where nothing may be skipped', (t) => {
  const verdict = verdictOf([passed, skipped]);
  t.is(verdict.exitCode(lenient), 0);
  t.is(verdict.exitCode(strict), 1);
});
