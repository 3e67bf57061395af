import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { encode } from 'cborg';
import { Digest } from '../../../../src/oci/digest.ts';
import type { Libp2pNetwork } from '../../../../src/swarm/network/libp2p-network.ts';
import { CONTROL_PROTOCOL, DEFAULT_MEMBER_LIMITS } from '../../../../src/swarm/network/members.ts';
import { Libp2pSwarm, type SwarmNodeOptions } from '../../../support/libp2p-swarm.ts';
import { framed, HELLO, RawPeer } from '../../../support/raw-peer.ts';
import { connected, left } from '../../../support/wait-for-peers.ts';
import { multiaddr as multiaddrOf } from '@multiformats/multiaddr';
import { waitFor } from '../../../support/wait-for.ts';

const blob = Digest.of(Buffer.from('a blob')).toString();
const hello = framed({ kind: 'note', id: 0, message: HELLO });
const raw = (value: unknown): Buffer => framed(encode(value));

async function attacked(
  t: ExecutionContext,
  options: SwarmNodeOptions = {},
): Promise<{ target: Libp2pNetwork; peer: RawPeer; joins: string[] }> {
  const swarm = new Libp2pSwarm();
  t.teardown(async () => {
    await swarm.stop();
  });
  const target = await swarm.join(options);
  const joins: string[] = [];
  target.onPeer((event, { peerId }) => {
    if (event === 'joined') joins.push(peerId);
  });
  const peer = await RawPeer.connect(target, [swarm.key]);
  t.teardown(async () => {
    await peer.stop();
  });
  return { target, peer, joins };
}

const beforeHello: [title: string, bytes: Uint8Array][] = [
  ['random bytes', randomBytes(10_000)],
  ['a frame of no bytes', Buffer.alloc(4)],
  ['a frame that says it is 4 GiB long', Buffer.alloc(8, 0xff)],
  ['a frame longer than anything unasked may be', Buffer.concat([Buffer.from([0, 0x10, 0, 0]), Buffer.alloc(100)])],
  ['bytes that are no CBOR', framed(Buffer.from([0xff, 0x00]))],
  ['two values in one frame', framed(Buffer.concat([encode([0, 0, HELLO]), encode(1)]))],
  ['an array without end', framed(Buffer.from([0x9f, 0x00, 0x00, 0xff]))],
  ['CBOR nested ten thousand deep', framed(Buffer.concat([Buffer.alloc(10_000, 0x81), Buffer.from([0])]))],
  [
    'a map in which a key comes twice',
    framed(Buffer.concat([Buffer.from([0x83, 0, 0, 0xa2]), encode('type'), encode('ping'), encode('type'), encode('ping')])),
  ],
  ['no array', raw({ type: 'hello' })],
  ['an unknown kind', raw([3, 0, HELLO])],
  ['a request id that is none', raw([0, -1, HELLO])],
  ['an unknown type', raw([0, 0, { type: 'reboot' }])],
  ['a hello whose zone is too long', raw([0, 0, { ...HELLO, zone: 'z'.repeat(101) }])],
  ['a prototype instead of a message', raw([0, 0, { __proto__: null, constructor: 1 }])],
  ['a message before hello', framed({ kind: 'note', id: 0, message: { type: 'leave', blob, complete: true } })],
  ['hello as a request', framed({ kind: 'request', id: 1, message: HELLO })],
];
for (const [title, bytes] of beforeHello) {
  test.serial(`a peer that sends ${title} is cut before it joins`, async (t) => {
    const { target, peer, joins } = await attacked(t);
    const stream = await peer.open();
    stream.send(bytes);
    await peer.cut;
    await waitFor('the target to count it', () => target.counts().invalidMessages === 1);
    t.deepEqual(joins, []);
  });
}

const afterHello: [title: string, bytes: Uint8Array][] = [
  ['says hello again', hello],
  [
    'asks for a bitfield of ten million pieces',
    raw([0, 0, { type: 'join', holding: { blob, state: 'partial', bits: Buffer.alloc(10_000) }, wants: true }]),
  ],
  [
    'sends a bitfield that is too long',
    raw([0, 0, { type: 'join', holding: { blob, state: 'partial', bits: new Uint8Array(2049) }, wants: true }]),
  ],
  ['sends a digest that is none', raw([0, 0, { type: 'leave', blob: '../../etc/passwd', complete: true }])],
];
for (const [title, bytes] of afterHello) {
  test.serial(`a member that ${title} is cut, and refused for a while`, async (t) => {
    const { target, peer } = await attacked(t);
    const stream = await peer.open();
    stream.send(hello);
    await connected(target, peer.peerId);
    stream.send(bytes);
    await Promise.all([peer.cut, left(target, peer.peerId)]);
    t.is(target.counts().invalidMessages, 1);
    await t.throwsAsync(async () => {
      const again = await peer.node.dial(target.multiaddrs().map((address) => multiaddrOf(address)));
      await again.newStream('/ipfs/ping/1.0.0');
    });
  });
}

test.serial('a frame that comes a byte at a time is cut at its deadline', async (t) => {
  const { target, peer, joins } = await attacked(t, { limits: { frameTimeoutMs: 200 } });
  const stream = await peer.open();
  let sent = 0;
  const drip = setInterval(() => {
    if (stream.status === 'open' && sent < hello.length - 1) stream.send(hello.subarray(sent, ++sent));
  }, 50);
  await peer.cut;
  clearInterval(drip);
  t.deepEqual(joins, []);
  t.true(sent < hello.length);
  t.is(target.counts().invalidMessages, 1);
});

test.serial('a peer that never says hello is cut', async (t) => {
  const { target, peer, joins } = await attacked(t, { limits: { helloTimeoutMs: 100 } });
  await peer.open();
  await peer.cut;
  t.deepEqual(joins, []);
  t.is(target.counts().helloTimeouts, 1);
});

test.serial('a peer that never opens the control stream is cut', async (t) => {
  const { target, peer, joins } = await attacked(t, { limits: { openTimeoutMs: 300 } });
  await peer.cut;
  t.deepEqual(joins, []);
  t.is(target.counts().helloTimeouts, 1);
});

test.serial('a member that does not read is cut when its queue is full', async (t) => {
  const { target, peer } = await attacked(t, { limits: { maxQueuedBytes: 256 << 10 } });
  const stream = await peer.open();
  stream.pause();
  stream.send(hello);
  await connected(target, peer.peerId);
  let sent = 0;
  const flood = setInterval(() => {
    for (let i = 0; i < 20; i++) target.send(peer.peerId, { type: 'manifest', digest: blob, mediaType: '', bytes: randomBytes(1 << 15) });
    sent += 20;
  }, 1);
  await left(target, peer.peerId);
  clearInterval(flood);
  t.is(target.counts().queueOverflows, 1);
  t.true(sent * (1 << 15) < 64 << 20);
});

test.serial('messages over the rate are read later, in order, and not refused', async (t) => {
  const { target, peer } = await attacked(t, { limits: { peerRate: { perSecond: 2000, burst: 10 } } });
  const seen: number[] = [];
  target.handle('tag-moved', ({ tag }) => {
    seen.push(Number(tag));
    return undefined;
  });
  const stream = await peer.open();
  stream.send(
    Buffer.concat([
      hello,
      ...Array.from({ length: 300 }, (_, i) =>
        framed({ kind: 'note', id: 0, message: { type: 'tag-moved', origin: 'https://o', repository: 'r', tag: String(i) } }),
      ),
    ]),
  );
  await waitFor('all messages', () => seen.length === 300);
  t.deepEqual(
    seen,
    Array.from({ length: 300 }, (_, i) => i),
  );
  t.not(target.peer(peer.peerId), undefined);
});

test.serial('no more is read from a peer whose messages are all being handled', async (t) => {
  const { target, peer } = await attacked(t, { limits: { maxHandling: 2 } });
  let started = 0;
  const release = Promise.withResolvers<undefined>();
  target.handle('leave', async () => {
    started += 1;
    await release.promise;
    return undefined;
  });
  const stream = await peer.open();
  stream.send(
    Buffer.concat([
      hello,
      ...Array.from({ length: 10 }, () => framed({ kind: 'note', id: 0, message: { type: 'leave', blob, complete: true } })),
    ]),
  );
  await waitFor('the first handlers', () => started === 2);
  // The rest was sent together with these: it has arrived, and waits.
  stream.send(framed({ kind: 'note', id: 0, message: { type: 'leave', blob, complete: true } }));
  await Promise.resolve();
  t.is(started, 2);
  release.resolve(undefined);
  await waitFor('all handlers', () => started === 11);
});

test.serial('a message of a later version is passed over and counted, and who asks is told', async (t) => {
  const { target, peer } = await attacked(t);
  const stream = await peer.open();
  const answers: Uint8Array[] = [];
  stream.addEventListener('message', ({ data }) => {
    answers.push(data.subarray());
  });
  stream.send(
    Buffer.concat([
      hello,
      raw([0, 0, { type: 'reboot', now: true }]),
      raw([1, 7, { type: 'reboot' }]),
      framed({ kind: 'request', id: 8, message: { type: 'ping' } }),
    ]),
  );
  await connected(target, peer.peerId);
  await waitFor(
    'both answers',
    () => Buffer.concat(answers).includes('does not know that message') && Buffer.concat(answers).includes(Buffer.from([0x83, 2, 8])),
  );
  t.is(target.counts().unknownMessages, 2);
  t.is(target.counts().invalidMessages, 0);
  t.not(target.peer(peer.peerId), undefined);
});

test.serial('a peer of version 0.1 is refused, in one line that says what to do, however often it comes', async (t) => {
  const warnings: string[] = [];
  const swarm = new Libp2pSwarm();
  t.teardown(async () => {
    await swarm.stop();
  });
  const target = await swarm.join({ onWarning: (line) => warnings.push(line) });
  const peer = await RawPeer.connect(target, [swarm.key]);
  t.teardown(async () => {
    await peer.stop();
  });
  (await peer.open()).send(framed({ kind: 'note', id: 0, message: { ...HELLO, version: 1 } }));
  await peer.cut;
  const again = await peer.node.dial(multiaddrOf(target.multiaddrs()[0]));
  const cut = new Promise<void>((resolve) => {
    again.addEventListener('close', () => {
      resolve();
    });
  });
  (await again.newStream(CONTROL_PROTOCOL)).send(framed({ kind: 'note', id: 0, message: { ...HELLO, version: 1 } }));
  await cut;
  t.deepEqual(warnings, [
    `peer ${peer.peerId} is refused: it speaks version 1 of the protocol, this node 2 and later; update layerswarm there`,
  ]);
  t.deepEqual(target.peers(), []);
  t.is(target.counts().invalidMessages, 0);
});

test.serial('an answer that nobody waits for is ignored', async (t) => {
  const { target, peer } = await attacked(t);
  const stream = await peer.open();
  stream.send(
    Buffer.concat([
      hello,
      framed({ kind: 'answer', id: 77, message: { type: 'ok' } }),
      framed({ kind: 'request', id: 1, message: { type: 'ping' } }),
    ]),
  );
  await connected(target, peer.peerId);
  t.is(target.counts().invalidMessages, 0);
});

test.serial('a member that opens a second control stream replaces the first', async (t) => {
  const { target, peer, joins } = await attacked(t);
  for (let streams = 1; streams <= 2; streams++) {
    (await peer.open()).send(hello);
    await waitFor('the stream to join', () => joins.length === streams);
  }
  t.is(target.peers().length, 1);
});

test.serial('a silent member is asked for a sign of life, and gone without one', async (t) => {
  const { target, peer } = await attacked(t, { limits: { pingIntervalMs: 100, silenceMs: 400 } });
  const stream = await peer.open();
  stream.pause();
  stream.send(hello);
  await connected(target, peer.peerId);
  await left(target, peer.peerId);
  t.is(target.counts().silent, 1);
});

test('the limits leave room for what honest members send', (t) => {
  t.true(DEFAULT_MEMBER_LIMITS.maxUnaskedBytes >= 4096 * 8 + 2048 + 128 * 1024);
});
