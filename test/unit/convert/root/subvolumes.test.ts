import test from 'ava';
import { listSnapshots } from '../../../../src/convert/root/subvolumes.ts';

test('snapshots are listed with their names and times, the newest first, and not without end', (t) => {
  t.is(
    listSnapshots([{ path: 'a', taken: '2024-01-01 10:00:00' }, { path: 'b\u001b[2J', taken: '2024-02-01 10:00:00' }, { path: 'c' }]),
    '"b\\u001b[2J" of 2024-02-01 10:00:00 UTC, "a" of 2024-01-01 10:00:00 UTC, "c"',
  );
  t.regex(
    listSnapshots(Array.from({ length: 25 }, (_, i) => ({ path: `s${i}`, taken: `2024-01-${String(i + 1).padStart(2, '0')} 00:00:00` }))),
    /^"s24" of .*, "s5" of [^,]*, and 5 older ones$/,
  );
});
