import test from 'ava';
import { runInThisContext } from 'node:vm';
import { instrument, type Literals } from '../../fuzz/instrument.ts';
import { installProbe } from '../../fuzz/probe.ts';

const CODE = `
function pick(a, b = 2) {
  if (a === 1) return 'one'; else if (a > b) { return a ? { big: a } : null; }
  for (const x of [a]) b += x;
  do b--; while (b > 100)
  switch (a) { case 0: b = 0; break; default: }
  const lazy = (y) => ({ y }), more = y => y && (b, y) || [y];
  return [lazy(b).y, more(a), a !== 'magic' && b <= 3];
}
`;

test('instrumented code does what it did, counts its branches, and shows what it compares', (t) => {
  const literals: Literals = { texts: new Set(), numbers: new Set() };
  const probe = installProbe();
  const run = (code: string): unknown[] =>
    [1, 5, 0, 2, 'x'].map((argument) =>
      (runInThisContext(`(argument) => { ${code}; return pick(argument); }`) as (argument: unknown) => unknown)(argument),
    );
  probe.tracing = true;
  t.deepEqual(run(instrument(CODE, literals)), run(CODE));
  t.true(probe.counters.filter((count) => count > 0).length > 8);
  t.true(probe.pairs.some(([left, right]) => left === 'x' && right === 'magic'));
  t.true(literals.texts.has('magic') && literals.numbers.has(100));
  t.is(instrument(CODE, literals).split('\n').length, CODE.split('\n').length);
});
