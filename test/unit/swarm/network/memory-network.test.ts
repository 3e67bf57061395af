import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { MemorySwarm, type MemoryNetwork } from '../../../support/memory-network.ts';
import { testNetwork, throwsCode } from './conformance.ts';

testNetwork(test, 'MemoryNetwork', async () => {
  const swarm = new MemorySwarm();
  return await Promise.resolve({
    join: async (options = {}) => await swarm.join(options),
    stopNode: async (node) => {
      await Promise.resolve((node as MemoryNetwork).stop());
    },
    stop: async () => {
      await Promise.resolve();
    },
  });
});

const blob = Digest.of(Buffer.from('a blob'));

test('a seed decides the peer id', async (t) => {
  const [a, b] = [await new MemorySwarm().join({ seed: 1 }), await new MemorySwarm().join({ seed: 1 })];
  t.is(a.self, b.self);
  t.not(a.self, (await new MemorySwarm().join({ seed: 2 })).self);
});

test('a lost message is never answered', async (t) => {
  const swarm = new MemorySwarm({ drop: (_from, _to, message) => message.type === 'get-list' });
  const [a, b] = await swarm.joinAll(2);
  b!.handle('get-list', () => ({ type: 'ok' }));
  await throwsCode(t, a!.request(b!.self, { type: 'get-list', blob: blob.toString() }, 'ok', { timeoutMs: 10 }), 'timeout');
});

test('a transfer ends as peer-gone when the node is isolated, even while its source hangs', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = await swarm.joinAll(2);
  const asked = Promise.withResolvers<undefined>();
  b!.setLaneSource({
    read: async () => {
      asked.resolve(undefined);
      return await new Promise<never>(() => undefined);
    },
  });
  const lane = await a!.lane(b!.self, blob);
  const request = lane.request(
    blob,
    { start: 0, end: 10 },
    {
      write: async () => {
        await Promise.resolve();
      },
    },
    AbortSignal.timeout(20_000),
  );
  await asked.promise;
  swarm.isolate(b!);
  await throwsCode(t, request, 'peer-gone');
});

test('an answer arrives in chunks whose memory is used again', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = await swarm.joinAll(2);
  const kept: Uint8Array[] = [];
  const got = Buffer.alloc(100_000);
  b!.setLaneSource({
    read: async (_from, _blob, range) => await Promise.resolve({ bytes: Buffer.alloc(range.end - range.start, 1), note: Buffer.alloc(0) }),
  });
  const target = {
    write: async (offset: number, chunk: Uint8Array) => {
      got.set(chunk, offset - 7);
      kept.push(chunk);
      await Promise.resolve();
    },
  };
  await (await a!.lane(b!.self, blob)).request(blob, { start: 7, end: 100_007 }, target, AbortSignal.timeout(20_000));
  t.true(got.every((byte) => byte === 1));
  t.false(kept.some((chunk) => chunk.includes(1)));
});
