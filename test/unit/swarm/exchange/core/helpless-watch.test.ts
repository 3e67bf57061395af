import test from 'ava';
import { HelplessWatch } from '../../../../../src/swarm/exchange/core/helpless-watch.ts';

test('where nothing is here half a second without help is enough, else ten', (t) => {
  const watch = new HelplessWatch();
  t.false(watch.helpless(false, 1000));
  t.false(watch.helpless(false, 1499));
  t.false(watch.helpless(true, 1500));
  t.true(watch.helpless(false, 1500));
  t.false(watch.helpless(true, 10_999));
  t.true(watch.helpless(true, 11_000));
});

test('help that came meanwhile begins the time anew', (t) => {
  const watch = new HelplessWatch();
  watch.helpless(false, 0);
  watch.helped();
  t.false(watch.helpless(false, 600));
  t.true(watch.helpless(false, 1100));
});
