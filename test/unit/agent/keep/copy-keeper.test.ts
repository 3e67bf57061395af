import test, { type ExecutionContext } from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CopyKeeper } from '../../../../src/agent/keep/copy-keeper.ts';
import { CopyTargets } from '../../../../src/agent/keep/copy-targets.ts';
import { createLogger } from '../../../../src/log.ts';
import { openStore, type Store } from '../../../../src/store/store.ts';
import { MemorySwarm, type MemoryNetwork } from '../../../support/memory-network.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { image } from '../../store/sample-image.ts';
import { chunks } from '../../store/sample-blob.ts';

const APP = 'registry.example/team/app';
const SAMPLE = image('kept');

interface World {
  readonly swarm: MemorySwarm;
  readonly store: Store;
  readonly targets: CopyTargets;
  readonly keeper: CopyKeeper;
  readonly members: readonly MemoryNetwork[];
  readonly holding: Set<string>;
  readonly asked: string[];
}

/** A node that has pinned the image, and members that take it when they are asked, but for those that refuse. */
async function world(t: ExecutionContext, zones: readonly string[], refusing: readonly number[] = []): Promise<World> {
  const swarm = new MemorySwarm();
  const own = await swarm.join({ zone: 'home' });
  const holding = new Set<string>();
  const asked: string[] = [];
  const members: MemoryNetwork[] = [];
  for (const [index, zone] of zones.entries()) {
    const member = await swarm.join({ zone });
    members.push(member);
    member.handle('find', ({ blobs }) => ({
      type: 'found',
      holdings: blobs.map((blob) => ({ blob, state: holding.has(member.self) ? 'complete' : 'none' })),
    }));
    member.handle('prefetch', () => {
      asked.push(member.self);
      if (!refusing.includes(index)) holding.add(member.self);
      return {
        type: 'prefetch-state',
        id: 1,
        state: refusing.includes(index) ? 'failed' : 'done',
        sizeBytes: 0,
        haveBytes: 0,
        fromOriginBytes: 0,
        fromPeersBytes: 0,
        elapsedMs: 0,
      };
    });
  }
  const data = tempDir(t);
  const store = await openStore(join(data, 'store'));
  t.teardown(() => store.close());
  for (const blob of SAMPLE.blobs) await store.blobs.write(chunks(blob));
  await store.images.putManifest(APP, SAMPLE.raw);
  store.images.setTag(APP, 'v1', SAMPLE.raw.digest, 1);
  store.images.pin(`${APP}:v1`);
  const targets = await CopyTargets.open(data);
  const keeper = new CopyKeeper({
    network: own,
    store,
    targets,
    zone: 'home',
    log: createLogger({ level: 'error', format: 'text', write: () => undefined }),
    random: () => 0,
    afterLeavingMs: 1,
  });
  t.teardown(() => keeper.close());
  return { swarm, store, targets, keeper, members, holding, asked };
}

test('as many members are asked as copies are missing, in zones that have none first', async (t) => {
  const { targets, keeper, members, holding, asked } = await world(t, ['home', 'a', 'b', 'a']);
  await targets.set(`${APP}:v1`, 3);
  await keeper.look(AbortSignal.timeout(60_000));
  t.deepEqual(
    asked.map((id) => members.findIndex(({ self }) => self === id)).sort((x, y) => x - y),
    [1, 2],
  );
  t.is(keeper.holders(`${APP}:v1`), 3);
  await keeper.look(AbortSignal.timeout(60_000));
  t.is(holding.size, 2);
});

test('who refuses is replaced by another, and nobody is asked twice in one look', async (t) => {
  const { targets, keeper, holding, asked } = await world(t, ['a', 'b', 'c'], [0, 1]);
  await targets.set(`${APP}:v1`, 2);
  await keeper.look(AbortSignal.timeout(60_000));
  t.is(holding.size, 1);
  t.is(new Set(asked).size, asked.length);
});

test('too few members are no error, and a purged image does not come back', async (t) => {
  const { store, targets, keeper, holding, asked } = await world(t, ['a']);
  await targets.set(`${APP}:v1`, 5);
  await keeper.look(AbortSignal.timeout(60_000));
  t.is(keeper.holders(`${APP}:v1`), 2);
  await store.purge({ repository: APP, digest: SAMPLE.raw.digest });
  holding.clear();
  await keeper.look(AbortSignal.timeout(60_000));
  t.is(asked.length, 1);
  t.deepEqual(targets.all(), []);
});

test('targets outlive a restart, and a damaged file is said', async (t) => {
  const data = tempDir(t);
  const targets = await CopyTargets.open(data);
  await Promise.all([targets.set('a/b:1', 2), targets.set('a/c:1', 3), targets.delete('a/b:1')]);
  t.deepEqual((await CopyTargets.open(data)).all(), [['a/c:1', 3]]);
  writeFileSync(join(data, 'copies.json'), '{"a/b:1": -1}');
  await t.throwsAsync(CopyTargets.open(data), { code: 'store-format', message: /copies\.json/ });
});
