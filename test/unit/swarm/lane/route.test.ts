import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { MAX_THREADS, parseRoute, routesTo, routeTo, threadOf } from '../../../../src/swarm/lane/route.ts';

test('every blob is in one thread, and the threads have as many', (t) => {
  const blobs = Array.from({ length: 4000 }, () => Digest.of(randomBytes(8)).toString());
  for (let threads = 1; threads <= MAX_THREADS; threads++) {
    const counts = Array.from({ length: threads }, () => 0);
    for (const blob of blobs) {
      const thread = threadOf(blob, threads);
      counts[thread]! += 1;
      t.is(threadOf(blob, threads), thread);
    }
    t.true(Math.min(...counts) > (blobs.length / threads) * 0.8, counts.join(' '));
  }
  // Of any algorithm.
  t.is(threadOf(`sha512:00000003${'ab'.repeat(60)}`, 4), 3);
});

test('a route says which thread of which peer', (t) => {
  t.is(routeTo('peer', 0), 'peer');
  for (const [thread, route] of routesTo('peer').entries()) t.deepEqual(parseRoute(route), { peerId: 'peer', thread });
  t.is(new Set(routesTo('peer')).size, MAX_THREADS);
});
