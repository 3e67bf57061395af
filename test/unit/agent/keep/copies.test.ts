import test from 'ava';
import { array, assert, constantFrom, double, nat, property } from 'fast-check';
import { chooseKeepers } from '../../../../src/agent/keep/copies.ts';

test('copies go to the zones that have the fewest first', (t) => {
  const candidates = ['a1', 'a2', 'b1', 'b2', 'c1'].map((peerId) => ({ peerId, zone: peerId[0]! }));
  t.deepEqual(
    chooseKeepers(candidates, [{ zone: 'a' }, { zone: 'b' }], 1, () => 0),
    ['c1'],
  );
  t.deepEqual(
    chooseKeepers(candidates, [{ zone: 'a' }], 2, () => 0)
      .map((id) => id[0]!)
      .sort(),
    ['b', 'c'],
  );
  t.deepEqual(
    chooseKeepers(candidates, [], 0, () => 0),
    [],
  );
  t.deepEqual(
    chooseKeepers(candidates, [], -1, () => 0),
    [],
  );
});

test('as many members are chosen as are missing or there, none twice, and zones stay level', (t) => {
  assert(
    property(
      array(constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 }),
      nat(40),
      array(double({ min: 0, max: 0.999, noNaN: true }), { minLength: 30, maxLength: 30 }),
      (zones, missing, dice) => {
        const candidates = zones.map((zone, index) => ({ peerId: String(index), zone }));
        let roll = 0;
        const chosen = chooseKeepers(candidates, [], missing, () => dice[roll++ % dice.length]!);
        if (new Set(chosen).size !== Math.min(missing, zones.length) || chosen.length !== new Set(chosen).size) return false;
        const count = (zone: string): number => chosen.filter((id) => zones[Number(id)] === zone).length;
        // a zone has two more than another only where the other has no member left
        return [...new Set(zones)].every((zone) =>
          [...new Set(zones)].every(
            (other) => count(zone) <= count(other) + 1 || count(other) === zones.filter((name) => name === other).length,
          ),
        );
      },
    ),
  );
  t.pass();
});
