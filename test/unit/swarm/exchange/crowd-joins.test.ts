import test from 'ava';
import { DOWNLOAD_LIMITS } from '../../../../src/swarm/exchange/core/limits.ts';
import { CrowdJoins } from '../../../../src/swarm/exchange/crowd-joins.ts';
import type { BlobNetwork } from '../../../../src/swarm/network/network.ts';
import type { Message } from '../../../../src/swarm/protocol/message.ts';
import { waitFor } from '../../../support/wait-for.ts';

const BLOB = `sha256:${'0'.repeat(64)}`;

/** A swarm of members that know nothing of the blob, and one holder that only the DHT names. */
function joins(members: number): { joins: CrowdJoins; asked: Set<string>; answered: string[] } {
  const asked = new Set<string>();
  const answered: string[] = [];
  const peers = Array.from({ length: members }, (_, i) => ({ peerId: `member ${i}` }));
  const network = {
    peers: () => peers,
    peer: (peerId: string) => peers.find((peer) => peer.peerId === peerId),
    findProviders: async function* () {
      yield await Promise.resolve('holder');
    },
    request: async (peerId: string): Promise<Message> => {
      asked.add(peerId);
      return await Promise.resolve({
        type: 'joined',
        holding: { blob: BLOB, state: peerId === 'holder' ? 'complete' : 'none' },
        wants: false,
      });
    },
  };
  const made = new CrowdJoins({
    network: network as unknown as BlobNetwork,
    random: () => 0.5,
    zone: undefined,
    signal: new AbortController().signal,
    message: () => ({ type: 'join', holding: { blob: BLOB, state: 'none' }, wants: true }),
    answered: (peerId, { holding }) => {
      if (holding.state === 'complete') answered.push(peerId);
    },
    ended: () => undefined,
  });
  return { joins: made, asked, answered };
}

test('in a swarm that is too large to know everyone, the DHT is asked too', async (t) => {
  const { joins: large, answered } = joins(DOWNLOAD_LIMITS.wholeSwarm);
  large.start();
  await waitFor('the answers', () => large.pending.size === 0);
  t.deepEqual(answered, ['holder']);
});

test('in a small swarm the members are asked alone', async (t) => {
  const { joins: small, asked, answered } = joins(20);
  small.start();
  await waitFor('the answers', () => small.pending.size === 0);
  t.is(asked.size, 20);
  t.deepEqual(answered, []);
});
