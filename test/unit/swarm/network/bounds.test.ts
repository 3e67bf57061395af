import test from 'ava';
import * as fc from 'fast-check';
import { FrameReader } from '../../../../src/swarm/network/frame-reader.ts';
import { sendsUntilClosed } from '../../../../src/swarm/network/muxer.ts';
import { chooseExchanged, chooseSurplus, type Neighbour } from '../../../../src/swarm/network/neighbours.ts';
import { TokenBucket } from '../../../../src/swarm/network/rate-limit.ts';
import { framed } from '../../../support/raw-peer.ts';

test('frames are cut however the bytes come', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 20 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 97 })),
      (frames, sizes) => {
        const bytes = Buffer.concat(frames.map((frame) => framed(frame)));
        const reader = new FrameReader();
        const read: Uint8Array[] = [];
        for (let at = 0; at < bytes.length;) {
          const size = sizes.next().value as number;
          reader.push(bytes.subarray(at, at + size));
          at += size;
          for (let frame = reader.next(300); frame !== undefined; frame = reader.next(300)) read.push(frame);
        }
        t.deepEqual(
          read.map((frame) => Buffer.from(frame)),
          frames.map((frame) => Buffer.from(frame)),
        );
        t.false(reader.partial);
      },
    ),
  );
});

test('a frame over its bound is refused by its length alone', (t) => {
  const reader = new FrameReader();
  reader.push(Buffer.from([0, 0, 1, 1]));
  t.throws(() => reader.next(256), { code: 'peer-misbehaved' });
});

test('a bucket gives its burst, then its rate, and never more than its burst again', (t) => {
  const bucket = new TokenBucket(100, 10, 0);
  for (let i = 0; i < 10; i++) bucket.take(0);
  t.is(bucket.waitMs(0), 0);
  bucket.take(0);
  t.is(bucket.waitMs(0), 10);
  t.is(bucket.waitMs(10), 0);
  for (let i = 0; i < 11; i++) bucket.take(100_000);
  t.is(bucket.waitMs(100_000), 10);
});

test('a clock that goes back costs nothing', (t) => {
  const bucket = new TokenBucket(100, 10, 1000);
  bucket.take(0);
  t.is(bucket.waitMs(0), 0);
});

const neighbour = (peerId: string, joinedAt: number, lane: Neighbour['lane'] = 'none'): Neighbour => ({ peerId, joinedAt, lane });
test('the newest idle neighbours go first, once their grace is over, and only as many as are too many', (t) => {
  const all = [
    neighbour('old', 0),
    neighbour('working', 50, 'tls'),
    neighbour('newer', 60),
    neighbour('new', 70),
    neighbour('just come', 100),
  ];
  t.deepEqual(
    chooseSurplus(all, 3, 110, 20).map(({ peerId }) => peerId),
    ['new', 'newer'],
  );
  t.deepEqual(chooseSurplus(all, 5, 110, 20), []);
  t.deepEqual(
    chooseSurplus(all, 0, 110, 20).map(({ peerId }) => peerId),
    ['new', 'newer', 'old'],
  );
});

test('a neighbour with a lane is never exchanged', (t) => {
  t.is(
    chooseExchanged([neighbour('a', 0, 'stream'), neighbour('b', 0, 'tls')], () => 0.99),
    undefined,
  );
  t.is(chooseExchanged([neighbour('a', 0, 'stream'), neighbour('b', 0)], () => 0.99)?.peerId, 'b');
});

test('what a muxer sends after its connection closed is lost, and throws nothing', (t) => {
  let state: 'open' | 'closed' | 'broken' = 'open';
  const send = (): boolean => {
    if (state === 'closed') throw Object.assign(new Error('closed'), { name: 'StreamStateError' });
    if (state === 'broken') throw new TypeError('a bug');
    return true;
  };
  // Only what `sendsUntilClosed` uses of a connection.
  const connection = sendsUntilClosed({ send } as unknown as Parameters<typeof sendsUntilClosed>[0]);
  t.true(connection.send(Buffer.alloc(1)));
  state = 'closed';
  t.false(connection.send(Buffer.alloc(1)));
  state = 'broken';
  t.throws(() => connection.send(Buffer.alloc(1)), { message: 'a bug' });
});
