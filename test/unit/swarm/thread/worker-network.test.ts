import test from 'ava';
import type { WordFrame } from '../../../../src/swarm/lane/frame.ts';
import type { Lane } from '../../../../src/swarm/lane/lane.ts';
import { PeerKey } from '../../../../src/swarm/network/peer-key.ts';
import type { Message } from '../../../../src/swarm/protocol/message.ts';
import { decodeWord, encodeWord } from '../../../../src/swarm/protocol/word.ts';
import { PortRpc } from '../../../../src/swarm/thread/port-rpc.ts';
import type { MainMethods, WorkerMethods } from '../../../../src/swarm/thread/thread-protocol.ts';
import { WorkerNetwork } from '../../../../src/swarm/thread/worker-network.ts';
import { waitFor } from '../../../support/wait-for.ts';

const blob = `sha256:${'ab'.repeat(32)}`;
const PEER = 'peer';
const nobodyHas: Message = { type: 'found', holdings: [{ blob, state: 'none' }] };

interface Setup {
  readonly network: WorkerNetwork;
  /** What was said on a lane, and what the main thread was asked to say. */
  readonly onLane: string[];
  readonly overMain: string[];
  readonly opened: string[];
  isLaneOpen: boolean;
}

/** A bulk thread's side of the network with one member, whose only words are that it has nothing. */
async function setUp(): Promise<Setup> {
  const overMain: string[] = [];
  const onLane: string[] = [];
  const opened: string[] = [];
  const note = (to: string[], message: unknown): void => {
    to.push((message as Message).type);
  };
  let hear: (messages: readonly unknown[]) => void = () => undefined;
  // The main thread answers each call at once.
  const main = new PortRpc<WorkerMethods, MainMethods>(
    {
      on: (_, listener) => {
        hear = listener as typeof hear;
      },
      postMessage: (messages) => {
        for (const { id, params } of messages as { id: number; params: { message: unknown } }[]) {
          note(overMain, params.message);
          hear([{ type: 'result', id, value: nobodyHas }]);
        }
      },
    },
    {} as never,
  );
  const network = new WorkerNetwork(await PeerKey.generate(), () => main);
  network.handlers.peerJoined({
    peer: {
      peerId: PEER,
      name: '',
      agent: '',
      address: '',
      direction: 'outbound',
      zone: '',
      origin: undefined,
      latencyMs: 1,
      bulkThreads: 1,
    },
  });
  const setup: Setup = { network, onLane, overMain, opened, isLaneOpen: false };
  const say = ({ type, id, word }: WordFrame): boolean => {
    note(onLane, decodeWord(word));
    if (type === 'ask') void network.words.heard(PEER, '10.0.0.1', { type: 'reply', id, word: encodeWord(nobodyHas as never) });
    return true;
  };
  network.lanes = {
    current: () => (setup.isLaneOpen ? { say } : undefined),
    lane: (peerId) => {
      opened.push(peerId);
      setup.isLaneOpen = true;
      return Promise.resolve({} as Lane);
    },
  };
  return setup;
}

test('the first question whether a member has a blob goes over the connection, and opens a lane for the next', async (t) => {
  const { network, onLane, overMain, opened } = await setUp();
  const find: Message = { type: 'find', blobs: [blob], inline: true };
  t.deepEqual(await network.request(PEER, find, 'found'), nobodyHas as never);
  t.deepEqual([overMain, onLane, opened], [['find'], [], [PEER]]);
  t.deepEqual(await network.request(PEER, find, 'found'), nobodyHas as never);
  t.deepEqual([overMain, onLane, opened], [['find'], ['find'], [PEER]]);
});

test('who leaves a crowd says so on a lane where there is one, and opens none', async (t) => {
  const setup = await setUp();
  const { network, onLane, overMain, opened } = setup;
  network.send(PEER, { type: 'leave', blob, complete: true });
  await waitFor('the main thread to be told', () => overMain.length === 1);
  setup.isLaneOpen = true;
  network.send(PEER, { type: 'leave', blob, complete: true });
  t.deepEqual([overMain, onLane, opened], [['leave'], ['leave'], []]);
});
