import test from 'ava';
import { Strikes } from '../../../../src/swarm/exchange/strikes.ts';

test('strikes of all threads count together', (t) => {
  const threads: Strikes[] = [];
  for (const i of [0, 1])
    threads.push(
      new Strikes((member, at) => {
        threads[1 - i]!.heard(member, at);
      }),
    );
  const [one, other] = threads as [Strikes, Strikes];
  t.false(one.add('liar', 0, [], 10));
  t.true(other.isDoubted('liar', 11));
  t.false(other.add('liar', 11, [], 20));
  t.true(one.add('liar', 21, [], 30));
  t.false(one.isDoubted('honest', 30));
});

test('what a member brought before it was told counts once, whichever thread it was for', (t) => {
  const heard: number[] = [];
  const strikes = new Strikes((_member, at) => {
    heard.push(at);
  });
  strikes.heard('unlucky', 100);
  t.false(strikes.add('unlucky', 50, [], 110));
  t.false(strikes.add('unlucky', 50, [], 120));
  t.false(strikes.add('unlucky', 110, [], 130));
  t.deepEqual(heard, [130]);
});
