import test from 'ava';
import { FetchLog } from '../../../../src/swarm/exchange/fetch-log.ts';

test('what other members fetch here is told with the ids of their pulls, and what each was sent of it', (t) => {
  const lines: string[] = [];
  const log = new FetchLog((message, fields) =>
    lines.push(
      `${message} ${Object.entries(fields)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ')}`,
    ),
  );
  log.asked('b', 'x', 'p1', 'complete');
  log.asked('b', 'y', 'p1', 'none');
  log.asked('b', 'x', undefined, 'complete');
  log.joined('b', 'x', 'p1', 'partial');
  log.joined('c', 'x', undefined, 'partial');
  log.granted('b', 'x', [{ first: 3, count: 2 }]);
  log.sent('b', 'x', 100);
  log.sent('b', 'x', 50);
  log.sent('d', 'x', 7);
  log.left('b', 'x', true);
  log.left('b', 'x', true);
  log.forget('c');
  t.deepEqual(lines, [
    'a member looks for a blob pull=p1 blob=x peer=b here=complete',
    'a member fetches a blob pull=p1 blob=x peer=b here=partial',
    'a member fetches a blob pull=undefined blob=x peer=c here=partial',
    'gave a lease pull=p1 blob=x peer=b first=3 pieces=2',
    'a member has its blob pull=p1 blob=x peer=b sent=150',
    'a member fetches a blob no more pull=undefined blob=x peer=c sent=0',
  ]);
});

test('a member that begins with more and more blobs is forgotten of the first ones', (t) => {
  const ends: unknown[] = [];
  const log = new FetchLog((message, { blob }) => {
    if (message === 'a member has its blob') ends.push(blob);
  });
  for (let i = 0; i <= 1024; i++) log.joined('b', `${i}`, undefined, 'complete');
  for (const blob of ['0', '1', '1024']) log.left('b', blob, true);
  t.deepEqual(ends, ['1', '1024']);
});
