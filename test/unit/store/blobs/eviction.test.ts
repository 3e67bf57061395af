import test from 'ava';
import * as fc from 'fast-check';
import { Digest } from '../../../../src/oci/digest.ts';
import { chooseEvictions, type EvictionCandidate } from '../../../../src/store/blobs/eviction.ts';

const KIB = 1024;

function candidate(key: string, size: number, usedAt: number, partial = false): EvictionCandidate {
  return { key, digest: Digest.of(Buffer.from(key)), size, usedAt, partial };
}

const cases: [string, EvictionCandidate[], number, string[] | undefined][] = [
  ['nothing is needed', [candidate('a', 100 * KIB, 1)], 0, []],
  ['the oldest goes first', [candidate('new', 100 * KIB, 2), candidate('old', 100 * KIB, 1)], 1, ['old']],
  ['partial blobs go before old ones', [candidate('old', 100 * KIB, 1), candidate('partial', 100 * KIB, 2, true)], 1, ['partial']],
  ['small ones go last', [candidate('manifest', 1 * KIB, 1), candidate('layer', 100 * KIB, 2)], 1, ['layer']],
  ['a large one makes older ones unnecessary', [candidate('a', 100 * KIB, 1), candidate('b', 900 * KIB, 2)], 800 * KIB, ['b']],
  ['everything is too little', [candidate('a', 100 * KIB, 1)], 101 * KIB, undefined],
];

for (const [title, candidates, bytes, expected] of cases) {
  test(`eviction: ${title}`, (t) => {
    t.deepEqual(
      chooseEvictions(candidates, bytes)?.map(({ key }) => key),
      expected,
    );
  });
}

test('eviction frees enough, and nothing of it could stay', (t) => {
  const candidates = fc
    .array(fc.record({ size: fc.nat(200 * KIB), usedAt: fc.nat(20), partial: fc.boolean() }), { maxLength: 20 })
    .map((list) => list.map(({ size, usedAt, partial }, number) => candidate(`${number}`, size, usedAt, partial)));
  fc.assert(
    fc.property(candidates, fc.nat(1000 * KIB), (list, bytes) => {
      const chosen = chooseEvictions(list, bytes);
      const total = list.reduce((sum, { size }) => sum + size, 0);
      if (chosen === undefined) return total < bytes;
      const freed = chosen.reduce((sum, { size }) => sum + size, 0);
      return freed >= bytes && chosen.every(({ size }) => freed - size < bytes);
    }),
  );
  t.pass();
});
