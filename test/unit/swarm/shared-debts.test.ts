import test from 'ava';
import { SharedDebts } from '../../../src/swarm/shared-debts.ts';

test('threads that share memory count against the same name, and no other', (t) => {
  const one = new SharedDebts();
  const other = new SharedDebts(one.memory);
  t.is(one.of('a').add(100, 1000), 100);
  t.is(other.of('a').add(50, 1010), 140);
  t.is(one.of('a').left(1020), 130);
  t.is(other.of('b').left(1020), 0);
  t.is(new SharedDebts().of('a').left(1020), 0);
  other.of('a').forgive();
  t.is(one.of('a').left(1020), 0);
  t.is(one.of('a').add(5, 1020), 5);
});

test('who owes nothing any more leaves its place, whoever comes', (t) => {
  const debts = new SharedDebts();
  // A hundred times as many as there are places, each for a moment.
  for (let i = 0; i < 400_000; i++) if (debts.of(`host ${i}`).add(1, 2 * i) !== 1) t.fail(`host ${i} owes what others do`);
  t.is(debts.of('host 0').left(1_000_000), 0);
});

test('a thousand that owe something at once each owe their own', (t) => {
  const debts = new SharedDebts();
  const names = Array.from({ length: 1000 }, (_, i) => `host ${i}`);
  for (const [i, name] of names.entries()) debts.of(name).add(1000 + i, 0);
  for (const [i, name] of names.entries()) t.is(debts.of(name).left(0), 1000 + i);
});
