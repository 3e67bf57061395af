import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { type JobKey, ReplicationQueue } from '../../../src/replicate/queue.ts';
import { isPermanent, pauseAfter } from '../../../src/replicate/retry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const key: JobKey = { policy: 'p', target: 't', repository: 'team/app', tag: 'v1' };
const [one, two] = [Digest.of(Buffer.from('one')), Digest.of(Buffer.from('two'))];

function open(t: ExecutionContext): { queue: ReplicationQueue; clock: { now: number }; reopen: () => ReplicationQueue } {
  const file = join(tempDir(t), 'queue.sqlite');
  const clock = { now: 1000 };
  const reopen = (): ReplicationQueue => {
    const queue = new ReplicationQueue(file, () => clock.now);
    t.teardown(() => queue.close());
    return queue;
  };
  return { queue: reopen(), clock, reopen };
}

test('a tag waits once, however often it moves, and from when it first did', (t) => {
  const { queue, clock } = open(t);
  t.true(queue.enqueue(key, one));
  clock.now = 5000;
  t.true(queue.enqueue(key, two));
  t.like(queue.totals('t'), { waiting: 1, oldestAt: 1000 });
  t.true(queue.take('t')?.digest?.equals(two));
  t.is(queue.take('t'), undefined, 'it runs once');
});

test('what was copied with this digest is not copied again unless somebody asks', (t) => {
  const { queue } = open(t);
  queue.enqueue(key, one);
  queue.finish(queue.take('t')!, one);
  t.false(queue.enqueue(key, one));
  t.true(queue.enqueue(key, one, { again: true }));
  t.true(queue.enqueue(key, two));
});

test('a tag that moves while it is copied is copied once more', (t) => {
  const { queue } = open(t);
  queue.enqueue(key, one);
  const job = queue.take('t')!;
  queue.enqueue(key, two);
  queue.finish(job, one);
  t.true(queue.take('t')?.digest?.equals(two));
});

test('a failure waits for its pause, one that is for good waits for a new event', (t) => {
  const { queue, clock } = open(t);
  queue.enqueue(key, one);
  queue.postpone(queue.take('t')!, 2000, { message: 'down', code: 'origin-unreachable' });
  t.is(queue.take('t'), undefined);
  t.is(queue.dueIn('t'), 2000);
  clock.now += 2000;
  const job = queue.take('t')!;
  t.is(job.attempts, 1);
  queue.fail(job, { message: 'another image', code: 'origin-conflict' });
  clock.now += 1e9;
  t.is(queue.take('t'), undefined);
  t.like(queue.totals('t'), { failed: 1, oldestAt: undefined, lastError: { message: 'another image' } });
  t.is(queue.troubled(10).length, 1);
  queue.enqueue(key, two);
  t.is(queue.take('t')?.attempts, 0);
});

test('a job that ran when the process was killed waits again', (t) => {
  const file = join(tempDir(t), 'queue.sqlite');
  const source = fileURLToPath(new URL('../../../src/replicate/queue.ts', import.meta.url));
  const child = spawnSync(process.execPath, [
    '--input-type=module',
    '-e',
    `
    import { ReplicationQueue } from ${JSON.stringify(source)};
    const queue = new ReplicationQueue(${JSON.stringify(file)}, () => 1);
    queue.enqueue(${JSON.stringify(key)}, undefined);
    queue.take('t');
    process.kill(process.pid, 'SIGKILL');
  `,
  ]);
  t.is(child.signal, 'SIGKILL', child.stderr.toString());
  const queue = new ReplicationQueue(file, () => 2);
  t.teardown(() => queue.close());
  t.like(queue.take('t'), key);
});

test('what belongs to no route any more is forgotten', (t) => {
  const { queue } = open(t);
  queue.enqueue(key, one);
  queue.keepOnly([{ policy: 'p', target: 'other' }]);
  t.is(queue.find(key), undefined);
});

test('pauses grow with the failures, up to a bound', (t) => {
  t.is(pauseAfter(1, 0.5), 2000);
  t.is(pauseAfter(4, 0.5), 16_000);
  t.is(pauseAfter(1000, 0.5), 600_000);
  t.true(isPermanent('origin-conflict'));
  t.false(isPermanent('origin-unauthorized'), 'credentials may be mended');
});
