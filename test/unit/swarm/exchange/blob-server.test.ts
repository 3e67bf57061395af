import test from 'ava';
import { pull } from '../../../support/exchange-nodes.ts';
import { scene } from '../../../support/exchange-scene.ts';

/** Of one read ahead of what is sent. */
const PART = 128 * 1024;

test('what was given to members is what was read for them, also of a range that they cancelled', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 8 << 20);
  const holder = await swarm.add(origin);
  await pull(holder, digest, blob.length);
  const asker = await swarm.swarm.join();
  const lane = await asker.lane(holder.network.self, digest);
  const enough = new AbortController();
  let came = 0;
  const write = (_offset: number, chunk: Uint8Array): void => {
    came += chunk.length;
    enough.abort();
  };
  await t.throwsAsync(lane.request(digest, { start: 0, end: blob.length }, { write }, enough.signal), { code: 'aborted' });
  const { toPeersBytes } = holder.exchange.totals();
  t.true(toPeersBytes >= came && toPeersBytes <= came + 2 * PART, `${toPeersBytes} of ${came} bytes that came`);
  await lane.request(digest, { start: 0, end: 1000 }, { write: () => undefined }, new AbortController().signal);
  t.is(holder.exchange.totals().toPeersBytes, toPeersBytes + 1000);
});
