import test, { type ExecutionContext } from 'ava';
import { CopyTargets } from '../../../../src/agent/keep/copy-targets.ts';
import { Pinner } from '../../../../src/agent/keep/pinner.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { openStore, type Store } from '../../../../src/store/store.ts';
import { MemorySwarm, type MemoryNetwork } from '../../../support/memory-network.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { chunks } from '../../store/sample-blob.ts';
import { image } from '../../store/sample-image.ts';

const APP = 'registry.example/team/app';
const NAME = `${APP}:v1`;
const SAMPLE = image('pinned');

interface Node {
  readonly network: MemoryNetwork;
  readonly store: Store;
  readonly pinner: Pinner;
  /** What members changed here. */
  readonly told: string[];
}

async function join(
  t: ExecutionContext,
  swarm: MemorySwarm,
  options: { zone?: string; allowed?: boolean; excluded?: boolean } = {},
): Promise<Node> {
  const { zone = 'z', allowed = true, excluded = false } = options;
  const network = await swarm.join({ zone });
  const data = tempDir(t);
  const store = await openStore(data);
  t.teardown(() => store.close());
  const told: string[] = [];
  const pinner = new Pinner({
    network,
    store,
    name: 'here',
    zone,
    allowed,
    targets: await CopyTargets.open(data),
    names: { registryName: () => 'registry.example', mirrors: () => [], upstreams: () => [], endpoint: () => '127.0.0.1:5050' },
    upstreamOf: () => ({
      resolver: {
        manifest: async ({ full }, reference) => {
          if (reference !== 'v1') throw new LayerswarmError('not-found', `the origin has no ${full}:${reference}`);
          await store.images.putManifest(full, SAMPLE.raw);
          store.images.setTag(full, reference, SAMPLE.raw.digest, 1);
          return { raw: SAMPLE.raw, tag: { kind: 'fresh' } };
        },
      },
      exchange: {
        fetch: () => {
          throw new Error('pinning fetches nothing');
        },
        findable: async () => false,
        readHeld: () => {
          throw new Error('pinning reads nothing');
        },
        transfers: () => [],
      },
    }),
    keeper: { holders: () => undefined, look: async () => undefined },
    isExcluded: () => excluded,
    onRemote: (_peer, reference, pinned) => void told.push(`${pinned ? '+' : '-'}${reference}`),
  });
  t.teardown(() => pinner.close());
  return { network, store, pinner, told };
}

const forever = new AbortController().signal;

test('pin everywhere pins on every member that allows it, and says of each what is there', async (t) => {
  const swarm = new MemorySwarm();
  const own = await join(t, swarm);
  const whole = await join(t, swarm);
  const empty = await join(t, swarm);
  const refusing = await join(t, swarm, { allowed: false });
  const excluding = await join(t, swarm, { excluded: true });
  for (const blob of SAMPLE.blobs) await whole.store.blobs.write(chunks(blob));

  const { nodes } = await own.pinner.pin({ reference: 'team/app:v1', everywhere: true }, forever);
  const found = new Map(nodes!.map(({ peerId, state, changed, complete }) => [peerId, [state, changed, complete]]));
  t.deepEqual(found.get(own.network.self), ['done', true, false]);
  t.deepEqual(found.get(whole.network.self), ['done', true, true]);
  t.deepEqual(found.get(empty.network.self), ['done', true, false]);
  for (const node of [refusing, excluding]) {
    t.deepEqual(found.get(node.network.self), ['refused', false, false]);
    t.deepEqual(node.store.images.pins(), []);
  }
  t.is(nodes!.find(({ peerId }) => peerId === own.network.self)!.name, 'here');
  t.is(nodes!.find(({ peerId }) => peerId === refusing.network.self)!.reason, 'this node lets nobody pin (allow.pin: false)');
  for (const node of [own, whole, empty]) t.deepEqual(node.store.images.pins(), [NAME]);
  t.deepEqual([whole.told, refusing.told], [[`+${NAME}`], []]);

  await own.pinner.pin({ reference: 'team/app:v1', everywhere: true }, forever);
  t.deepEqual(whole.told, [`+${NAME}`], 'the second time nothing changes');

  const dry = await own.pinner.unpin({ reference: NAME, everywhere: true, dryRun: true }, forever);
  t.true(dry.wasPinned);
  t.deepEqual(whole.store.images.pins(), [NAME]);
  const unpinned = await own.pinner.unpin({ reference: NAME, everywhere: true }, forever);
  t.deepEqual(
    unpinned
      .nodes!.filter(({ changed }) => changed)
      .map(({ peerId }) => peerId)
      .sort(),
    [own, whole, empty].map(({ network }) => network.self).sort(),
  );
  for (const node of [own, whole, empty]) t.deepEqual(node.store.images.pins(), []);
  t.false((await own.pinner.unpin({ reference: NAME, everywhere: true }, forever)).wasPinned);
});

test('a zone is pinned alone, and a member that left is reported', async (t) => {
  const swarm = new MemorySwarm();
  const own = await join(t, swarm, { zone: 'home' });
  const near = await swarm.join({ zone: 'rack' });
  await join(t, swarm, { zone: 'other' });
  near.handle('pin', () => {
    swarm.isolate(near);
    return undefined;
  });
  const { nodes } = await own.pinner.pin({ reference: NAME, zone: 'rack' }, forever);
  t.deepEqual(
    nodes!.map(({ peerId, state }) => [peerId, state]),
    [[near.self, 'gone']],
  );
  t.deepEqual(own.store.images.pins(), [], 'this node is of another zone');
});

test('an excluded repository is pinned here only, and an image that nobody knows not at all', async (t) => {
  const swarm = new MemorySwarm();
  const own = await join(t, swarm, { excluded: true });
  await t.throwsAsync(own.pinner.pin({ reference: NAME, everywhere: true }, forever), { code: 'denied', message: /pin it on each host/ });
  await own.pinner.pin({ reference: NAME }, forever);
  t.deepEqual(own.pinner.list(), [{ reference: NAME, copies: null, holders: null }]);
  await t.throwsAsync(own.pinner.pin({ reference: `${APP}:v2` }, forever), { code: 'not-found' });
  t.deepEqual(own.store.images.pins(), [NAME]);
});
