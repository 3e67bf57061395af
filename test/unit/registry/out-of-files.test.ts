import { randomBytes } from 'node:crypto';
import test from 'ava';
import type { BlobStore } from '../../../src/store/blob-store.ts';
import { storeError } from '../../../src/store/store-error.ts';
import { send } from '../../support/raw-http.ts';
import { pushImage } from '../../support/registry-content.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { waitFor } from '../../support/wait-for.ts';
import { startOrigin } from './origin-behind-faults.ts';

test('out of file descriptors a client gets 503 for a blob that is here, not a cut answer, and the blob once there are some again', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { origin, registry } = await startOrigin(t);
  const layer = randomBytes(300_000);
  const image = await pushImage(registry, 'team/app', 'v1', [layer]);
  let none = false;
  const wrapStore = (store: BlobStore): BlobStore =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'open' || !none) return value.bind(target) as unknown;
        return () => Promise.reject(storeError(Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }), 'open a blob'));
      },
    });
  const node = await startRegistryNode(t, { origin, wrapStore });
  const { digest } = image.layers[0]!;
  const url = `${node.url}/v2/team/app/blobs/${digest.toString()}`;
  await send(`${node.url}/v2/team/app/manifests/v1`);
  t.true(layer.equals((await send(url)).body));
  await waitFor('the blob to be kept', () => node.store.size(digest) !== undefined, { interval: 5 });
  none = true;
  t.is((await send(url)).status, 503);
  none = false;
  t.true(layer.equals((await send(url)).body));
});
