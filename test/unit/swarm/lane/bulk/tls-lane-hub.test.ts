import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../../../src/errors.ts';
import { Digest } from '../../../../../src/oci/digest.ts';
import { BulkPort } from '../../../../../src/swarm/lane/bulk/bulk-port.ts';
import { TlsLaneHub, type BulkControl, type TlsLaneOptions } from '../../../../../src/swarm/lane/bulk/tls-lane-hub.ts';
import { LaneHub, type StreamLanes } from '../../../../../src/swarm/lane/lane-hub.ts';
import { LaneSessions } from '../../../../../src/swarm/lane/lane-sessions.ts';
import type { Lane } from '../../../../../src/swarm/lane/lane.ts';
import { routeTo } from '../../../../../src/swarm/lane/route.ts';
import type { Message, MessageType } from '../../../../../src/swarm/protocol/message.ts';
import { CollectingTarget, TestLaneSource } from '../../../../support/lane-source.ts';
import { MemorySwarm, type MemoryNetwork } from '../../../../support/memory-network.ts';
import { waitFor } from '../../../../support/wait-for.ts';

const BLOB = Digest.of(Buffer.from('blob'));
const NEVER = new AbortController().signal;

interface Node {
  readonly network: MemoryNetwork;
  readonly hub: TlsLaneHub;
  readonly port: BulkPort;
  readonly sessions: LaneSessions;
  readonly source: TestLaneSource;
  /** Offers that this node gave. */
  readonly offers: string[][];
}

/** `hidden`: the addresses that it tells lead nowhere. */
async function makeNode(t: ExecutionContext, swarm: MemorySwarm, options: TlsLaneOptions & { hidden?: boolean } = {}): Promise<Node> {
  const network = await swarm.join();
  const source = new TestLaneSource();
  const sessions = new LaneSessions({ source });
  const port = await BulkPort.listen({ host: '127.0.0.1', port: 0, sessions, thread: options.thread ?? 0 });
  t.teardown(async () => {
    port.close();
    await sessions.close();
  });
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
  return { network, port, sessions, source, offers, hub: new TlsLaneHub(port, control, options) };
}

async function works(t: ExecutionContext, lane: Lane): Promise<void> {
  const target = new CollectingTarget({ start: 0, end: 100_000 });
  await lane.request(BLOB, { start: 0, end: 100_000 }, target, NEVER);
  t.is(target.received, 100_000);
}

test('each side dials the lane on which it asks', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = [await makeNode(t, swarm), await makeNode(t, swarm)];
  await works(t, await a.hub.lane(b.network.self));
  t.is(b.hub.current(a.network.self), undefined);
  await works(t, await b.hub.lane(a.network.self));
  t.deepEqual([a.offers.length, b.offers.length], [1, 1]);
  t.deepEqual([[...a.sessions.uses()].map(({ kind }) => kind), [...b.sessions.uses()].map(({ kind }) => kind)], [['tls'], ['tls']]);
});

test('a node whose port cannot be reached dials instead, and both can ask on that lane', async (t) => {
  const swarm = new MemorySwarm();
  const a = await makeNode(t, swarm);
  const b = await makeNode(t, swarm, { hidden: true });
  const lane = await a.hub.lane(b.network.self);
  await works(t, lane);
  const back = await b.hub.lane(a.network.self);
  await works(t, back);
  t.is(a.hub.current(b.network.self), lane);
  // b was asked to dial, and uses what it dialled: no other offer was needed.
  t.deepEqual([a.offers.length, b.offers.length], [1, 1]);
  t.deepEqual([a.source.reads.length, b.source.reads.length], [1, 1]);
});

test('threads whose ports cannot be reached are dialled back by the one that was asked', async (t) => {
  const swarm = new MemorySwarm();
  const a = await makeNode(t, swarm, { thread: 1 });
  const b = await makeNode(t, swarm, { thread: 2, hidden: true });
  const lane = await a.hub.lane(routeTo(b.network.self, 2));
  await works(t, lane);
  await works(t, await b.hub.lane(routeTo(a.network.self, 1)));
  t.is(a.hub.current(routeTo(b.network.self, 2)), lane);
  t.is(a.hub.current(b.network.self), undefined);
  t.deepEqual([a.offers.length, b.offers.length], [1, 1]);
});

test('where neither port can be reached there is no TLS lane, and the next try comes soon, those after it ever later', async (t) => {
  let now = 1000;
  const swarm = new MemorySwarm();
  const a = await makeNode(t, swarm, { hidden: true, now: () => now });
  const b = await makeNode(t, swarm, { hidden: true });
  for (const afterMs of [5000, 20_000, 80_000, 300_000, 300_000]) {
    t.true(a.hub.isWorthTrying(b.network.self));
    await t.throwsAsync(a.hub.lane(b.network.self), { instanceOf: LayerswarmError });
    now += afterMs - 1;
    t.false(a.hub.isWorthTrying(b.network.self), `${afterMs}`);
    now += 1;
  }
});

test('a peer without TLS lanes is left to the stream lanes', async (t) => {
  const swarm = new MemorySwarm();
  let now = 1000;
  const a = await makeNode(t, swarm, { now: () => now });
  const plain = await swarm.join();
  await t.throwsAsync(a.hub.lane(plain.self), { code: 'unsupported' });
  now += 299_999;
  t.false(a.hub.isWorthTrying(plain.self));
  a.hub.forget(plain.self);
  t.true(a.hub.isWorthTrying(plain.self));
});

test('a ticket is for the peer that asked for it', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b, c] = [await makeNode(t, swarm), await makeNode(t, swarm), await makeNode(t, swarm)];
  // Somebody who overheard it has another certificate.
  const { offer } = await b.network.request(
    a.network.self,
    { type: 'bulk-open', fingerprint: b.port.fingerprint, from: 0, to: 0 },
    'bulk-ticket',
  );
  await t.throwsAsync(c.port.dial(a.network.self, [{ host: '127.0.0.1', port: a.port.port }], offer, 2000, NEVER), { code: 'peer-gone' });
  t.deepEqual([...a.sessions.uses()], []);
});

test('a port that somebody else has gets no ticket', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = [await makeNode(t, swarm), await makeNode(t, swarm)];
  const offer = { addresses: [], fingerprint: Buffer.alloc(32, 1), ticket: Buffer.alloc(32), expiresInMs: 1000 };
  await t.throwsAsync(a.port.dial(b.network.self, [{ host: '127.0.0.1', port: b.port.port }], offer, 2000, NEVER), {
    code: 'peer-misbehaved',
  });
});

test('who dials one of the threads that share a port gets that one, and gives up where it is not', async (t) => {
  const swarm = new MemorySwarm();
  const sessions = new LaneSessions({ source: new TestLaneSource() });
  t.teardown(async () => {
    await sessions.close();
  });
  const first = await BulkPort.listen({ host: '127.0.0.1', port: 0, sessions, thread: 0, shared: 'first' });
  const others = [
    await BulkPort.listen({ host: '127.0.0.1', port: first.port, sessions, thread: 1, shared: 'next' }),
    await BulkPort.listen({ host: '127.0.0.1', port: first.port, sessions, thread: 2, shared: 'next' }),
  ];
  t.teardown(() => {
    for (const port of [first, ...others]) port.close();
  });
  const opened: number[] = [];
  for (const [thread, port] of [first, ...others].entries())
    port.onOpened = () => {
      opened.push(thread);
    };
  const a = await makeNode(t, swarm);
  const dial = async (thread: number, port: BulkPort): Promise<Lane> => {
    const offer = port.offer(a.network.self, a.port.fingerprint, false);
    return await a.port.dial(routeTo('peer', thread), [{ host: '127.0.0.1', port: first.port }], offer, 10_000, NEVER);
  };
  for (const thread of [2, 0, 1, 1, 2, 0]) await dial(thread, [first, ...others][thread]!);
  t.deepEqual(opened, [2, 0, 1, 1, 2, 0]);
  await t.throwsAsync(dial(3, first), { code: 'peer-gone' });
  // Nobody comes between who does not share it, or who would be the first.
  await t.throwsAsync(BulkPort.listen({ host: '127.0.0.1', port: first.port, sessions }), { code: 'port-taken' });
  await t.throwsAsync(BulkPort.listen({ host: '127.0.0.1', port: first.port, sessions, shared: 'first' }), { code: 'port-taken' });
});

test('who is no member any longer has no lane any longer', async (t) => {
  const swarm = new MemorySwarm();
  const [a, b] = [await makeNode(t, swarm), await makeNode(t, swarm)];
  await a.hub.lane(b.network.self);
  await waitFor('the lane on the other side', () => [...b.sessions.uses()].some(({ kind }) => kind === 'tls'), { interval: 5 });
  swarm.disconnect(a.network, b.network);
  a.hub.forget(b.network.self);
  a.sessions.forget(b.network.self);
  await waitFor(
    'the lane to end on both sides',
    () => a.hub.current(b.network.self) === undefined && [...b.sessions.uses()].every(({ kind }) => kind === 'none'),
    { interval: 5 },
  );
  await t.throwsAsync(a.hub.lane(b.network.self), { code: 'peer-gone' });
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
  t.true(hub.current(b.network.self) === lane);
  t.is(await hub.lane(b.network.self), lane);
  t.deepEqual(
    asked.filter((peerId) => peerId === plain.self),
    [plain.self, plain.self],
  );
  t.is(await new LaneHub(streams, undefined).lane(b.network.self), streamLane);
});
