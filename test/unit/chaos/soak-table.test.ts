import test from 'ava';
import { isFlat, type Sample, soakTable } from '../../chaos/soak-table.ts';

const MIB = 2 ** 20;

/** Two nodes for half an hour; the second holds `more` of what `key` says each minute. */
function samples(key: keyof Sample = 'files', more = 0): Sample[] {
  return Array.from({ length: 30 }, (_, i) => i + 1).flatMap((minute) =>
    [0, 1].map((node) => {
      const sample: Sample = { minute, node, resident: 200 * MIB, files: 35, sockets: 40, stored: 200, cpuSeconds: minute };
      return node === 0 ? sample : { ...sample, [key]: sample[key] + more * minute };
    }),
  );
}

test('what stays the same is flat, and what grows is not, whatever it is', (t) => {
  t.true(isFlat(samples(), 3));
  t.true(isFlat(samples('resident', MIB / 10), 3));
  t.false(isFlat(samples('resident', 2 * MIB), 3));
  for (const key of ['files', 'sockets'] as const) t.false(isFlat(samples(key, 1), 3), key);
  t.false(isFlat(samples('stored', 10), 3));
});

test('growth while it warms up does not count, and no samples say nothing', (t) => {
  const warming = samples().map((sample) => (sample.minute <= 10 ? { ...sample, resident: 10 * MIB } : sample));
  t.false(isFlat(warming, 0));
  t.true(isFlat(warming, 10));
  t.false(isFlat(samples(), 30));
});

test('the table has a row for each node, with what grew in bold', (t) => {
  t.deepEqual(soakTable(samples('files', 2), 0).split('\n').slice(2), [
    '| 0 | 200 → 200 | 35 → 35 | 40 → 40 | 200 → 200 | 1.7 % |',
    '| 1 | 200 → 200 | **47 → 87** | 40 → 40 | 200 → 200 | 1.7 % |',
  ]);
});
