import test from 'ava';
import { Key } from 'interface-datastore';
import { ProviderDatastore } from '../../../../src/swarm/network/provider-datastore.ts';

function storeWith(...keys: string[]): ProviderDatastore {
  const store = new ProviderDatastore();
  for (const key of keys) store.put(new Key(key), Buffer.from(key));
  return store;
}

async function keysOf(store: ProviderDatastore, prefix?: string): Promise<string[]> {
  const found = await Array.fromAsync(store.query(prefix === undefined ? {} : { prefix }));
  return found.map(({ key }) => key.toString()).toSorted();
}

test('keeps, finds and deletes', async (t) => {
  const store = storeWith('/dht/provider/blob1/a', '/dht/provider/blob1/b', '/dht/provider/blob2/a', '/peers/x');
  t.true(store.has(new Key('/peers/x')));
  t.is(Buffer.from(store.get(new Key('/peers/x'))).toString(), '/peers/x');
  store.delete(new Key('/peers/x'));
  t.false(store.has(new Key('/peers/x')));
  t.throws(() => store.get(new Key('/peers/x')), { name: 'NotFoundError' });
});

for (const [prefix, expected] of [
  ['/dht/provider/blob1', ['/dht/provider/blob1/a', '/dht/provider/blob1/b']],
  ['/dht/provider/blob1/', ['/dht/provider/blob1/a', '/dht/provider/blob1/b']],
  ['/dht/provider', ['/dht/provider/blob1/a', '/dht/provider/blob1/b', '/dht/provider/blob2/a']],
  ['/peers/', ['/peers/x']],
  ['/dht/provider/blob3', []],
  [undefined, ['/dht/provider/blob1/a', '/dht/provider/blob1/b', '/dht/provider/blob2/a', '/peers/x']],
] as const) {
  test(`a query for ${prefix ?? 'everything'} finds ${expected.length}`, async (t) => {
    t.deepEqual(await keysOf(storeWith('/dht/provider/blob1/a', '/dht/provider/blob1/b', '/dht/provider/blob2/a', '/peers/x'), prefix), [
      ...expected,
    ]);
  });
}
