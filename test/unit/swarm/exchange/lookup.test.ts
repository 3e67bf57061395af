import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { findSmall } from '../../../../src/swarm/exchange/lookup.ts';
import type { Lane } from '../../../../src/swarm/lane/lane.ts';
import type { BlobNetwork, Peer } from '../../../../src/swarm/network/network.ts';

const CHUNK = 100_000;
const CHUNK_MS = 60;
const bytes = Buffer.alloc(5 * CHUNK, 7);
const blob = Digest.of(bytes);

/** Members that hold the blob, each with the number of chunks that it gives, in its time, before it falls silent. */
function holders(...chunks: readonly number[]): { network: Pick<BlobNetwork, 'peers' | 'request' | 'lane'>; asked: string[] } {
  const asked: string[] = [];
  const laneOf = (index: number): Pick<Lane, 'request'> => ({
    request: async (_, __, target, signal) => {
      asked.push(`member-${index}`);
      for (let i = 0; i < chunks[index]!; i++) {
        await delay(CHUNK_MS, undefined, { signal });
        await target.write(i * CHUNK, bytes.subarray(i * CHUNK, (i + 1) * CHUNK));
      }
      if (chunks[index]! * CHUNK < bytes.length) await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
      return new Uint8Array();
    },
  });
  const network = {
    peers: () => chunks.map((_, i) => ({ peerId: `member-${i}`, latencyMs: i }) as unknown as Peer),
    request: () => Promise.resolve({ type: 'found', holdings: [{ blob: blob.toString(), state: 'complete', size: bytes.length }] }),
    lane: (peerId: string) => Promise.resolve(laneOf(Number(peerId.slice(-1))) as Lane),
  };
  return { network: network as unknown as Pick<BlobNetwork, 'peers' | 'request' | 'lane'>, asked };
}

test('a small blob of a slow member is waited for while it comes, and asked of nobody else', async (t) => {
  const { network, asked } = holders(5, 5);
  const found = await findSmall(network, blob, { size: bytes.length }, new AbortController().signal);
  t.is(found?.peer, 'member-0');
  t.true(bytes.equals(found!.bytes));
  t.deepEqual(asked, ['member-0']);
});

test('a small blob of a member that falls silent is left to a download', async (t) => {
  const { network } = holders(1);
  t.is(await findSmall(network, blob, { size: bytes.length }, new AbortController().signal), undefined);
});
