import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { BulkThread } from '../../../../src/swarm/lane/bulk/bulk-thread.ts';
import type { LaneSource } from '../../../../src/swarm/lane/lane.ts';
import { Libp2pSwarm } from '../../../support/libp2p-swarm.ts';
import { connected, left } from '../../../support/wait-for-peers.ts';
import { waitFor } from '../../../support/wait-for.ts';

const content = randomBytes(500_000);
const digest = Digest.of(content);
const source: LaneSource = {
  read: async (_peerId, _blob, range) => await Promise.resolve({ note: Buffer.alloc(0), bytes: content.subarray(range.start, range.end) }),
};

test('members with a bulk thread get a TLS lane, and one without a stream lane', async (t) => {
  const swarm = new Libp2pSwarm();
  t.teardown(async () => { await swarm.stop(); });
  const threads = await Promise.all([1, 2].map(async () => await BulkThread.start({ host: '127.0.0.1', port: 0 }, () => undefined)));
  t.teardown(async () => { await Promise.all(threads.map(async (thread) => { await thread.stop(); })); });
  const a = await swarm.join({ bulk: threads[0]!, source });
  const b = await swarm.join({ bulk: threads[1]!, source });
  const c = await swarm.join({ source });
  await Promise.all([connected(a, b.self, c.self), connected(b, a.self), connected(c, a.self)]);
  const signal = AbortSignal.timeout(60_000);
  // On a busy machine the first answer may be a stream lane, with the TLS lane following.
  await waitFor('a TLS lane', async () => (await a.lane(b.self, signal)).kind === 'tls');
  for (const [peer, kind] of [[b, 'tls'], [c, 'stream']] as const) {
    const lane = await a.lane(peer.self, signal);
    t.is(lane.kind, kind);
    const before = a.peer(peer.self)!.receivedBytes;
    const received = Buffer.alloc(content.length);
    await lane.request(digest, { start: 0, end: content.length }, { write: (offset, chunk) => { received.set(chunk, offset); } }, signal);
    t.is(Buffer.compare(received, content), 0);
    t.is(a.peer(peer.self)!.lane, kind);
    await waitFor('the bytes to be counted', () => a.peer(peer.self)!.receivedBytes - before >= content.length);
  }
  await swarm.stopNode(b);
  await left(a, b.self);
  await t.throwsAsync(a.lane(b.self), { code: 'peer-gone' });
});
