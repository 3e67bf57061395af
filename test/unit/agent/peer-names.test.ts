import test from 'ava';
import { PeerNames } from '../../../src/agent/peer-names.ts';
import type { Network, Peer } from '../../../src/swarm/network/network.ts';

test('a member that has left is still known by its name, and one that said none by its peer id', (t) => {
  const here = new Map<string, Peer>();
  const listeners = new Set<Parameters<Network['onPeer']>[0]>();
  const names = new PeerNames({
    peer: (peerId) => here.get(peerId),
    onPeer: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const leave = (peer: Peer): void => {
    here.delete(peer.peerId);
    for (const listener of listeners) listener('left', peer);
  };
  const [named, nameless] = [
    { peerId: 'a', name: 'node-7' },
    { peerId: 'b', name: '' },
  ] as Peer[];
  for (const peer of [named!, nameless!]) here.set(peer.peerId, peer);
  t.deepEqual([names.called('a'), names.called('b'), names.of('b')], ['node-7', 'b', '']);
  leave(named!);
  leave(nameless!);
  t.deepEqual([names.called('a'), names.called('b')], ['node-7', 'b']);
  for (let i = 0; i < 1000; i++) leave({ peerId: `later ${i}`, name: `later-${i}` } as Peer);
  t.is(names.called('a'), 'a', 'not for ever');
  names[Symbol.dispose]();
  t.is(listeners.size, 0);
});
