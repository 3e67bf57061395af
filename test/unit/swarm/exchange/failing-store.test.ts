import { randomBytes } from 'node:crypto';
import test from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import type { PartialBlob } from '../../../../src/store/blob-store.ts';
import { openStore } from '../../../../src/store/store.ts';
import type { ExchangeStore } from '../../../../src/swarm/exchange/exchange-store.ts';
import { type Cleanup } from '../../../support/cleanup.ts';
import { ExchangeSwarm, pull } from '../../../support/exchange-nodes.ts';
import { exchangeStore } from '../../../support/exchange-store.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const SIZE = 3_000_000;
const READ_ONLY = new LayerswarmError('store-unwritable', 'the file system is read-only');

function swarmFor(cleanup: Cleanup): ExchangeSwarm {
  const swarm = new ExchangeSwarm();
  cleanup.teardown(() => swarm.close());
  return swarm;
}

/** A store whose unfinished blobs do some things otherwise. */
async function storeWith(cleanup: Cleanup, otherwise: (partial: PartialBlob) => Partial<PartialBlob>): Promise<ExchangeStore> {
  const store = await openStore(tempDir(cleanup));
  cleanup.teardown(() => store.close());
  return {
    ...exchangeStore(store.blobs),
    openPartial: async (digest, size, pieceLength) => {
      const partial = await store.blobs.openPartial(digest, size, pieceLength);
      const others = otherwise(partial);
      return new Proxy(partial, {
        get: (target, key) => {
          const value: unknown = Reflect.get(key in others ? others : target, key);
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
        },
      });
    },
  };
}

test('a transfer that has failed has failed, also where its file cannot be closed', async (t) => {
  const swarm = swarmFor(t);
  const store = await storeWith(t, (partial) => ({
    close: async () => {
      await partial.close();
      throw READ_ONLY;
    },
  }));
  const node = await swarm.add(undefined, { store });
  await t.throwsAsync(pull(node, Digest.of(Buffer.from('nowhere')), SIZE), { code: 'unavailable' });
});

for (const [what, failing] of [
  [
    'that a write does not reach',
    () => {
      throw READ_ONLY;
    },
  ],
  ['that a write does not reach in time', () => Promise.reject(READ_ONLY)],
] as const) {
  for (const from of ['members', 'the origin']) {
    test(`a pull from ${from} into a store ${what} ends with that, and blames nobody`, async (t) => {
      const swarm = swarmFor(t);
      const origin = new MemoryOrigin();
      const blob = randomBytes(SIZE);
      const digest = origin.add(blob);
      const holders = from === 'members' ? await swarm.addAll(2, origin) : [];
      for (const holder of holders) await pull(holder, digest, SIZE);
      let left = 10;
      const store = await storeWith(t, (partial) => ({
        writeNow: (offset, bytes) => (left-- > 0 ? partial.writeNow(offset, bytes) : failing()),
      }));
      const node = await swarm.add(origin, { store });
      await t.throwsAsync(pull(node, digest, SIZE), { code: 'store-unwritable' });
      const other = await swarm.add(origin);
      t.true(blob.equals(await pull(other, digest, SIZE)));
      t.deepEqual(node.network.bans(), []);
    });
  }
}
