import test from 'ava';
import { WriteTracker } from '../../../../src/store/partial/write-tracker.ts';

test('two writes of the same bytes overlap while the first is under way', (t) => {
  const writes = new WriteTracker();
  t.false(writes.begin(0, 0, 100));
  t.false(writes.begin(0, 100, 200));
  t.true(writes.begin(0, 99, 101));
  t.false(writes.begin(1, 0, 100));
  writes.end(0, 0, 100);
  writes.end(0, 99, 101);
  t.false(writes.begin(0, 0, 100));
});

test('a piece is idle when all of its writes have ended', async (t) => {
  const writes = new WriteTracker();
  writes.begin(3, 0, 10);
  writes.begin(3, 10, 20);
  writes.begin(4, 20, 30);
  const first = (): Promise<string> =>
    Promise.race([writes.idle(3).then(() => 'idle'), new Promise<string>((resolve) => setImmediate(resolve, 'writing'))]);
  writes.end(4, 20, 30);
  writes.end(3, 0, 10);
  t.is(await first(), 'writing');
  t.deepEqual([...writes.activePieces()], [3]);
  writes.end(3, 10, 20);
  t.is(await first(), 'idle');
  t.false(writes.active(3));
  await writes.idle();
});

test('a piece is known to be written as far as its writes came in order', (t) => {
  const writes = new WriteTracker();
  writes.wrote(2, 200, 200, 240);
  writes.wrote(2, 200, 260, 300);
  t.is(writes.writtenTo(2, 200), 240);
  writes.wrote(2, 200, 240, 300);
  t.is(writes.writtenTo(2, 200), 300);
  // Another sender begins it again.
  writes.wrote(2, 200, 200, 220);
  t.is(writes.writtenTo(2, 200), 220);

  writes.contest(2);
  writes.wrote(2, 200, 200, 300);
  t.is(writes.writtenTo(2, 200), 200);
});
