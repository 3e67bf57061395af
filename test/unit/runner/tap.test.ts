import test from 'ava';
import { TapReader, type TestResult } from '../../runner/tap.ts';

function read(text: string): { results: TestResult[]; complete: boolean } {
  const results: TestResult[] = [];
  const reader = new TapReader((result) => results.push(result));
  for (const line of text.split('\n')) reader.line(line);
  reader.end();
  return { results, complete: reader.complete };
}

test('a run is read as results with their particulars', (t) => {
  const { results, complete } = read(`TAP version 13
ok 1 - digest › parses
not ok 2 - digest › refuses
  ---
    name: AssertionError
  ...
ok 3 - later # SKIP

1..3
# tests 3`);
  t.deepEqual(
    results.map(({ title, outcome }) => [title, outcome]),
    [
      ['digest › parses', 'passed'],
      ['digest › refuses', 'failed'],
      ['later', 'skipped'],
    ],
  );
  t.true(results[1]!.detail.includes('    name: AssertionError'));
  t.true(complete);
});

test('a test that logs the mark of a missing tool counts as skipped, not as passed', (t) => {
  const { results } = read('ok 1 - pulls\n#   SKIPPED: needs skopeo\n1..1');
  t.is(results[0]!.outcome, 'skipped');
});

test('a failed test stays failed whatever it logged', (t) => {
  t.is(read('not ok 1 - pulls\n#   SKIPPED: needs skopeo\n1..1').results[0]!.outcome, 'failed');
});

test('a result has the time at which its own line came', (t) => {
  let now = 0;
  const at: number[] = [];
  const reader = new TapReader(
    (result) => at.push(result.at),
    () => now,
  );
  for (const line of ['ok 1 - first', '#   logged', 'ok 2 - second', '1..2']) {
    now += 10;
    reader.line(line);
  }
  t.deepEqual(at, [10, 30]);
});

test('a run that was cut short is not complete', (t) => {
  t.false(read('TAP version 13\nok 1 - digest').complete);
});
