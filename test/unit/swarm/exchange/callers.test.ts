import { randomBytes } from 'node:crypto';
import test from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { clientBytes } from '../../../../src/swarm/exchange/client-read.ts';
import { emptySwarm, pull } from '../../../support/exchange-nodes.ts';
import { scene } from '../../../support/exchange-scene.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { waitFor } from '../../../support/wait-for.ts';

test('callers of one blob share one download', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 700_000);
  const node = await swarm.add(origin);
  await Promise.all(Array.from({ length: 50 }, () => pull(node, digest)));
  t.is(origin.read.get(digest.toString()), blob.length);
});

/** Gives `team/private` to nobody, once the gate is open. */
class HalfClosedOrigin extends MemoryOrigin {
  readonly asked = Promise.withResolvers<void>();
  readonly gate = Promise.withResolvers<void>();

  override async *readBlob(
    repository: string,
    ...rest: [Digest, { start: number; end: number }, AbortSignal?]
  ): AsyncGenerator<Uint8Array> {
    if (repository === 'team/private') {
      this.asked.resolve();
      await this.gate.promise;
      throw new LayerswarmError('origin-denied', 'team/private is not for this node');
    }
    yield* super.readBlob(repository, ...rest);
  }
}

test('a caller gets a blob through its own repository, though it joined a download through one that the origin refuses', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new HalfClosedOrigin();
  const blob = randomBytes(700_000);
  const digest = origin.add(blob);
  const node = await swarm.add(origin);
  const refused = node.exchange.fetch({ digest, size: blob.length, repository: 'team/private' });
  await origin.asked.promise;
  const allowed = node.exchange.fetch({ digest, size: blob.length, repository: 'team/open' });
  origin.gate.resolve();
  await allowed.done();
  t.is(allowed.progress().haveBytes, blob.length);
  t.is(origin.read.get(digest.toString()), blob.length);
  refused.release();
  allowed.release();
});

test('a caller whose mirror has a blob gets it, though it joined a download from a registry that is away', async (t) => {
  const swarm = emptySwarm(t);
  const [away, mirror] = [new HalfClosedOrigin(), new MemoryOrigin()];
  const blob = randomBytes(300_000);
  const digest = mirror.add(blob);
  const node = await swarm.add(undefined);
  const first = node.exchange.fetch({ digest, size: blob.length, repository: 'team/private', origin: away });
  await away.asked.promise;
  const second = node.exchange.fetch({ digest, size: blob.length, repository: 'team/app', origin: mirror });
  away.gate.resolve();
  await Promise.all([first.done(), second.done()]);
  t.is(mirror.read.get(digest.toString()), blob.length);
  first.release();
  second.release();
});

test('a caller that may ask members does so, though it joined a download that may not', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new HalfClosedOrigin();
  const blob = randomBytes(300_000);
  const digest = origin.add(blob);
  const holder = await swarm.add(origin);
  await pull(holder, digest, blob.length);
  const node = await swarm.add(origin);
  const alone = node.exchange.fetch({ digest, size: blob.length, repository: 'team/private', shared: false });
  await origin.asked.promise;
  const shared = node.exchange.fetch({ digest, size: blob.length, repository: 'team/private', shared: true });
  origin.gate.resolve();
  await shared.done();
  t.is(origin.read.get(digest.toString()), blob.length, 'once, by the holder');
  alone.release();
  shared.release();
});

test('a client is given no byte before the blob is proven', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 2_000_000);
  const node = await swarm.add(origin);
  const fetch = node.exchange.fetch({ digest, size: blob.length, repository: 'test/image' });
  const chunks: Uint8Array[] = [];
  for await (const chunk of clientBytes(
    fetch,
    node.store.blobs,
    10,
    1_999_990,
    { emit: 'proven', onVouched: () => undefined },
    new AbortController().signal,
  )) {
    t.not(node.store.blobs.size(digest), undefined);
    chunks.push(Buffer.from(chunk));
  }
  t.true(Buffer.concat(chunks).equals(blob.subarray(10, 1_999_990)));
  fetch.release();
});

for (const count of [3, 8]) {
  test(`in a cold crowd every client of every node sees progress while its blob is coming: ${count} nodes`, async (t) => {
    const { swarm, origin, blob, digest } = scene(t, 96 * 65_536);
    const gate = Promise.withResolvers<void>();
    // Half of it has come, and nothing can be proven before the rest does.
    origin.chunk = async (_digest, offset, bytes) => {
      if (offset >= blob.length / 2) await gate.promise;
      return bytes;
    };
    const nodes = await swarm.addAll(count, origin);
    const trickled = nodes.map(() => 0);
    const clients = nodes.map(async (node, i) => {
      const fetch = node.exchange.fetch({ digest, size: blob.length, repository: 'test/image' });
      const chunks: Buffer[] = [];
      const options = {
        emit: 'proven',
        trickleMs: 20,
        onVouched: () => {
          trickled[i]!++;
        },
      } as const;
      for await (const chunk of clientBytes(fetch, node.store.blobs, 0, blob.length, options, new AbortController().signal))
        chunks.push(Buffer.from(chunk));
      fetch.release();
      return Buffer.concat(chunks);
    });
    await waitFor('each client to get some pieces', () => trickled.every((pieces) => pieces >= 5), { interval: 5 });
    gate.resolve();
    for (const bytes of await Promise.all(clients)) t.true(bytes.equals(blob));
  });
}
