import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../../../src/errors.ts';
import { Digest } from '../../../../../src/oci/digest.ts';
import { Grade } from '../../../../../src/store/blob-store.ts';
import { openStore } from '../../../../../src/store/store.ts';
import { BulkThread } from '../../../../../src/swarm/lane/bulk/bulk-thread.ts';
import { TlsLaneHub, type BulkControl, type TlsLaneOptions } from '../../../../../src/swarm/lane/bulk/tls-lane-hub.ts';
import { LaneHub, type StreamLanes } from '../../../../../src/swarm/lane/lane-hub.ts';
import type { Lane } from '../../../../../src/swarm/lane/lane.ts';
import type { Message, MessageType } from '../../../../../src/swarm/protocol/message.ts';
import { CollectingTarget, TestLaneSource } from '../../../../support/lane-source.ts';
import { MemorySwarm, type MemoryNetwork } from '../../../../support/memory-network.ts';
import { tempDir } from '../../../../support/temp-dir.ts';
import { waitFor } from '../../../../support/wait-for.ts';

const BLOB = Digest.of(Buffer.from('blob'));
const NEVER = new AbortController().signal;

interface Node {
  readonly network: MemoryNetwork;
  readonly hub: TlsLaneHub;
  readonly thread: BulkThread;
  readonly source: TestLaneSource;
  /** Offers that this node gave. */
  readonly offers: string[][];
}

/** `hidden`: the addresses that it tells lead nowhere. */
async function makeNode(t: ExecutionContext, swarm: MemorySwarm, options: TlsLaneOptions & { hidden?: boolean } = {}): Promise<Node> {
  const network = await swarm.join();
  const thread = await BulkThread.start({ host: '127.0.0.1', port: 0 }, (error) => { throw error; });
  t.teardown(() => thread.stop());
  const source = new TestLaneSource();
  const offers: string[][] = [];
  const changed = <M extends Message | undefined>(message: M): M => {
    if (message === undefined || !('offer' in message) || message.offer === undefined) return message;
    offers.push(message.offer.addresses);
    // Port 1 of loopback: nobody listens there.
    return options.hidden === true ? { ...message, offer: { ...message.offer, addresses: ['127.0.0.1:1'] } } : message;
  };
  const control: BulkControl = {
    self: network.self,
    peer: (peerId) => network.peer(peerId),
    request: async (peerId, message, answer, requestOptions) => await network.request(peerId, changed(message), answer, requestOptions),
    handle: <T extends MessageType>(type: T, handler: Parameters<typeof network.handle<T>>[1]) => {
      network.handle(type, async (message, from) => changed(await handler(message, from)));
    },
  };
  return { network, thread, source, offers, hub: new TlsLaneHub(thread, control, source, options) };
}

async function works(t: ExecutionContext, lane: Lane): Promise<void> {
  const target = new CollectingTarget({ start: 0, end: 100_000 });
  await lane.request(BLOB, { start: 0, end: 100_000 }, target, NEVER);
  t.is(target.received, 100_000);
}

test('a node whose port cannot be reached dials instead, and both can ask', async (t) => {
  const swarm = new MemorySwarm();
  const a = await makeNode(t, swarm);
  const b = await makeNode(t, swarm, { hidden: true });
  const lane = await a.hub.lane(b.network.self);
  await works(t, lane);
  const back = await b.hub.lane(a.network.self);
  await works(t, back);
  t.is(a.hub.current(b.network.self), lane);
  t.deepEqual([a.source.reads.length, b.source.reads.length], [1, 1]);
});

test('where neither port can be reached there is no TLS lane, and no other try for a while', async (t) => {
  let now = 1000;
  const swarm = new MemorySwarm();
  const a = await makeNode(t, swarm, { hidden: true, retryMs: 500, now: () => now });
  const b = await makeNode(t, swarm, { hidden: true });
  t.true(a.hub.isWorthTrying(b.network.self));
  await t.throwsAsync(a.hub.lane(b.network.self), { instanceOf: LayerswarmError });
  t.false(a.hub.isWorthTrying(b.network.self));
  now += 500;
  t.true(a.hub.isWorthTrying(b.network.self));
});

test('a peer without TLS lanes is left to the stream lanes', async (t) => {
  const swarm = new MemorySwarm();
  const a = await makeNode(t, swarm);
  const plain = await swarm.join();
  await t.throwsAsync(a.hub.lane(plain.self), { code: 'unsupported' });
  t.false(a.hub.isWorthTrying(plain.self));
  a.hub.forget(plain.self);
  t.true(a.hub.isWorthTrying(plain.self));
});

test('a ticket is for the peer that asked for it', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b, c] = [await makeNode(t, swarm), await makeNode(t, swarm), await makeNode(t, swarm)];
  // Somebody who overheard it has another certificate.
  const { offer } = await b.network.request(a.network.self, { type: 'bulk-open', fingerprint: b.thread.fingerprint }, 'bulk-ticket');
  const stolen = { peerId: a.network.self, addresses: [{ host: '127.0.0.1', port: a.thread.port }], fingerprint: offer!.fingerprint, ticket: offer!.ticket, timeoutMs: 2000 };
  await t.throwsAsync(c.thread.worker.call('dial', stolen), { code: 'peer-gone' });
  t.is(a.hub.current(b.network.self), undefined);
});

test('a port that somebody else has gets no ticket', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = [await makeNode(t, swarm), await makeNode(t, swarm)];
  const ticket = Buffer.alloc(32);
  const call = a.thread.worker.call('dial', { peerId: b.network.self, addresses: [{ host: '127.0.0.1', port: b.thread.port }], fingerprint: Buffer.alloc(32, 1), ticket, timeoutMs: 2000 });
  await t.throwsAsync(call, { code: 'peer-misbehaved' });
});

test('who is no member any longer has no lane any longer', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = [await makeNode(t, swarm), await makeNode(t, swarm)];
  await a.hub.lane(b.network.self);
  await waitFor('the lane on the other side', () => b.hub.current(a.network.self), { interval: 5 });
  swarm.disconnect(a.network, b.network);
  a.hub.forget(b.network.self);
  await waitFor('the lane to end on both sides', () => a.hub.current(b.network.self) === undefined && b.hub.current(a.network.self) === undefined, { interval: 5 });
  await t.throwsAsync(a.hub.lane(b.network.self), { code: 'peer-gone' });
});

test('a thread that dies takes its lanes with it, and says so', async (t) => {
  const failed = Promise.withResolvers<LayerswarmError>();
  const thread = await BulkThread.start({ host: '127.0.0.1', port: 0 }, failed.resolve);
  t.teardown(() => thread.kill());
  const swarm = new MemorySwarm();
  const network = await swarm.join();
  const hub = new TlsLaneHub(thread, network, new TestLaneSource());
  const b = await makeNode(t, swarm);
  const lane = await hub.lane(b.network.self);
  b.source.onRead = async () => await new Promise(() => undefined);
  const asked = lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
  const store = await openStore(tempDir(t), { openPartial: thread.partials.open });
  t.teardown(() => store.close());
  const bytes = Buffer.from('a blob');
  const partial = await store.blobs.openPartial(Digest.of(bytes), bytes.length, 1024);
  // What is no digest throws where nobody waits for an answer.
  thread.worker.notify('openPartial', { paths: { data: '/nowhere/d', state: '/nowhere/s' }, digest: 'none', size: 1, pieceLength: 1, syncBytes: 1, syncIntervalMs: 1 });
  t.is((await failed.promise).code, 'peer-gone');
  await t.throwsAsync(asked, { code: 'peer-gone' });
  t.is(hub.current(b.network.self), undefined);
  await t.throwsAsync(hub.lane(b.network.self), { code: 'peer-gone' });
  // What it had open can be given up, and goes on on this thread.
  await t.throwsAsync(partial.write(0, bytes), { instanceOf: LayerswarmError });
  await partial.close();
  const again = await store.blobs.openPartial(Digest.of(bytes), bytes.length, 1024);
  await again.write(0, bytes);
  again.complete(0, Grade.received);
  await again.advance();
  await again.commit();
  t.is(store.blobs.size(Digest.of(bytes)), bytes.length);
});

test('the lane hub gives the TLS lane, and a stream lane where there is none', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = [await makeNode(t, swarm), await makeNode(t, swarm)];
  const plain = await swarm.join();
  const asked: string[] = [];
  const streamLane = { kind: 'stream' } as Lane;
  const streams: StreamLanes = {
    current: () => undefined,
    lane: async (peerId) => {
      asked.push(peerId);
      return await Promise.resolve(streamLane);
    },
  };
  const hub = new LaneHub(streams, a.hub);
  t.is(await hub.lane(plain.self), streamLane);
  t.is(await hub.lane(plain.self), streamLane);
  // Under load it may take longer than the patience of the first caller.
  const lane = await waitFor('the TLS lane', async () => {
    const lane = await hub.lane(b.network.self);
    return lane.kind === 'tls' && lane;
  });
  t.is(hub.current(b.network.self), lane);
  t.is(await hub.lane(b.network.self), lane);
  t.deepEqual(asked.filter((peerId) => peerId === plain.self), [plain.self, plain.self]);
  t.is(await new LaneHub(streams, undefined).lane(b.network.self), streamLane);
});
