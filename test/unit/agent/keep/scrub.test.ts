import test from 'ava';
import { join } from 'node:path';
import { scrubWhenDue } from '../../../../src/agent/keep/scrub.ts';
import { createLogger } from '../../../../src/log.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const WEEK = 7 * 24 * 3_600_000;

test('the store is read again once a week, restarts or not, and what was wrong is said', async (t) => {
  const lines: string[] = [];
  let [now, runs] = [1_700_000_000_000, 0];
  let fails = false;
  const look = async (intervalMs = WEEK): Promise<void> => {
    await scrubWhenDue(
      {
        path: join(folder, 'scrub.json'),
        intervalMs,
        now: () => now,
        log: createLogger({ level: 'info', format: 'text', write: (line) => lines.push(line) }),
        verify: async (_signal, rest) => {
          await rest(0);
          runs += 1;
          if (fails) throw new Error('EIO');
          return { blobs: 2, bytes: 10, corrupt: ['sha256:a'], repaired: ['sha256:a'], unrepaired: [] };
        },
      },
      new AbortController().signal,
    );
  };
  const folder = tempDir(t);
  await look();
  t.is(runs, 0, 'a new store');
  now += WEEK - 1;
  await look();
  t.is(runs, 0);
  now += 1;
  await look(0);
  t.is(runs, 0, 'switched off');
  await look();
  await look();
  t.is(runs, 1);
  t.regex(lines[0] ?? '', /ERROR read the whole store again: the disk gave wrong bytes corrupt=1 repaired=1 unrepaired=0/);
  now += WEEK;
  fails = true;
  await look();
  await look();
  t.is(runs, 3, 'one that failed is tried again');
  t.regex(lines[1] ?? '', /cannot check the store .*EIO/);
});
