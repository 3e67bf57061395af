import test from 'ava';
import { JobBoard, progressOfSeed, progressOfWave } from '../../../../src/agent/swarm-view/job-board.ts';
import { RateMeter } from '../../../../src/agent/swarm-view/rate-meter.ts';
import { TrafficHistory } from '../../../../src/agent/swarm-view/traffic-history.ts';
import type { NodeOutcome } from '../../../../src/control/prefetch-operation.ts';
import { createLogger } from '../../../../src/log.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const NOON = new Date(2026, 0, 5, 12, 0, 10).getTime();
const MINUTE = 60_000;

test('bytes are counted by minute and by day, and over a restart', async (t) => {
  const data = tempDir(t);
  let now = NOON;
  const history = await TrafficHistory.open(data, () => now);
  history.look({ fromOriginBytes: 10, fromPeersBytes: 100 });
  now += MINUTE;
  history.look({ fromOriginBytes: 15, fromPeersBytes: 300 });
  t.deepEqual(history.today, { originBytes: 15, peersBytes: 300 });
  t.deepEqual(history.hour, { minute: Math.floor(now / MINUTE), origin: [10, 5], peers: [100, 200] });
  await history.save(data, createLogger({ level: 'debug', format: 'text', write: (line) => t.fail(line) }));
  now += 2 * MINUTE;
  const again = await TrafficHistory.open(data, () => now);
  again.look({ fromOriginBytes: 1, fromPeersBytes: 2 });
  t.deepEqual(again.today, { originBytes: 16, peersBytes: 302 });
  t.deepEqual(again.hour.origin, [10, 5, 0, 1]);
  now += 12 * 60 * MINUTE;
  t.deepEqual(again.today, { originBytes: 0, peersBytes: 0 });
  t.is(again.hour.origin.length, 60);
  t.deepEqual(
    again.hour.origin.filter((bytes) => bytes > 0),
    [],
  );
});

test('a clock that is set back, and a counter that begins anew, take nothing away', (t) => {
  let now = NOON;
  const history = new TrafficHistory(() => now);
  history.look({ fromOriginBytes: 10, fromPeersBytes: 10 });
  now -= 5 * MINUTE;
  history.look({ fromOriginBytes: 4, fromPeersBytes: 12 });
  t.deepEqual(history.today, { originBytes: 10, peersBytes: 12 });
  t.deepEqual(history.hour.peers, [12]);
});

test('a rate is known from the second look on, and is of the last seconds', (t) => {
  let now = 0;
  const meter = new RateMeter(() => now);
  t.is(meter.look(new Map([['a', 1000]])).size, 0);
  now = 2000;
  t.deepEqual(
    meter.look(
      new Map([
        ['a', 3000],
        ['b', 500],
      ]),
    ),
    new Map([
      ['a', 1000],
      ['b', 250],
    ]),
  );
  now = 4000;
  t.is(meter.look(new Map([['a', 3000]])).get('a'), 0);
  now = 4500;
  t.is(meter.look(new Map([['a', 100]])).get('a'), 0, 'a counter that went back');
  now = 500_000;
  t.is(meter.look(new Map([['a', 9e9]])).size, 0, 'what was long ago says nothing of now');
});

test('a job is shown while it runs and for a while after, however it ends', async (t) => {
  let now = 0;
  const board = new JobBoard(() => now);
  const outcome: NodeOutcome = {
    peerId: 'p',
    name: 'node-1',
    address: '',
    zone: '',
    state: 'done',
    reason: null,
    sizeBytes: 10,
    haveBytes: 10,
    fromOriginBytes: 0,
    fromPeersBytes: 0,
    seconds: 0,
  };
  t.is(
    await board.run('preheat', 'team/app:1', (report) => {
      report(progressOfWave({ reference: '', digest: '', nodes: [outcome, { ...outcome, state: 'running', haveBytes: 4 }] }));
      t.like(board.list()[0], { state: 'running', step: '1 of 2 nodes have it', doneBytes: 14, totalBytes: 20, nodesDone: 1, nodes: 2 });
      return Promise.resolve('result');
    }),
    'result',
  );
  await t.throwsAsync(
    board.run('seed', 'team/b:1', (report) => {
      report(progressOfSeed({ kind: 'push', doneBytes: 3, totalBytes: 9 }));
      return Promise.reject(new Error('the origin refused it'));
    }),
  );
  t.deepEqual(
    board.list().map(({ title, state, step }) => [title, state, step]),
    [
      ['team/b:1', 'failed', 'the origin refused it'],
      ['team/app:1', 'done', 'done'],
    ],
  );
  for (let i = 0; i < 20; i++) await board.run('seed', `job ${i}`, () => Promise.resolve());
  t.is(board.list().length, 8);
  now = 11 * MINUTE;
  t.is(board.list().length, 0);
});
