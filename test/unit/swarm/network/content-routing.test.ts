import test, { type ExecutionContext } from 'ava';
import { ContentRouting } from '../../../../src/swarm/network/content-routing.ts';
import { waitFor } from '../../../support/wait-for.ts';

const BLOBS = ['ab', 'cd'].map((byte) => `sha256:${byte.repeat(32)}`);

/** Tells a DHT that takes everything of two blobs. */
function tell(
  t: ExecutionContext,
  provideFrom: number,
  memberCount: () => number,
): { readonly content: ContentRouting; readonly given: string[] } {
  const given: string[] = [];
  const dht = {
    async *provide(cid: { toString(): string }) {
      given.push(cid.toString());
      yield await Promise.resolve({ name: 'PEER_RESPONSE', messageName: 'ADD_PROVIDER' });
    },
  };
  const content = new ContentRouting({ dht: dht as never, memberCount, provideFrom, provideIntervalMs: 1 });
  t.teardown(() => {
    content.stop();
  });
  for (const blob of BLOBS) content.provide(blob);
  content.kick();
  return { content, given };
}

test('a small swarm is given no records of who holds what; they are given once it has grown', async (t) => {
  let members = 3;
  const { content, given } = tell(t, 4, () => members);
  const other = tell(t, 3, () => members);
  await waitFor('one that gives records to as few', () => other.given.length === 2);
  t.deepEqual(given, []);
  members = 4;
  content.kick();
  await waitFor('both records', () => given.length === 2);
});
