import test from 'ava';
import { PeerExchange } from '../../../../../src/swarm/network/discovery/peer-exchange.ts';

function exchangeOf(count: number): PeerExchange {
  const members = Array.from({ length: count }, (_, i) => ({
    peerId: `p${i}`,
    listen: [`/ip4/10.0.0.${i}/tcp/1`, `/ip4/10.1.0.${i}/tcp/1`, `/ip4/10.2.0.${i}/tcp/1`],
  }));
  return new PeerExchange({
    members: () => members,
    ask: async () => await Promise.reject(new Error('not here')),
    onFound: () => false,
    random: Math.random,
  });
}

test('the asker is not told of itself, and of others two addresses each', (t) => {
  const { addresses } = exchangeOf(3).answer('p1');
  t.deepEqual(addresses.toSorted(), ['/ip4/10.0.0.0/tcp/1', '/ip4/10.0.0.2/tcp/1', '/ip4/10.1.0.0/tcp/1', '/ip4/10.1.0.2/tcp/1']);
});

test('an answer is bounded, and a different choice each time', (t) => {
  const exchange = exchangeOf(250);
  const [first, second] = [exchange.answer('x').addresses, exchange.answer('x').addresses];
  t.is(first.length, 128);
  t.notDeepEqual(first, second);
});
