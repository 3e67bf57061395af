import test from 'ava';
import type { MessageStream } from '@libp2p/interface';
import type { Uint8ArrayList } from 'uint8arraylist';
import { gatherSends } from '../../../../src/swarm/network/gathered-sends.ts';
import { waitFor } from '../../../support/wait-for.ts';

/** Only what is used of a connection. */
function fakeConnection(): { connection: MessageStream; sent: string[]; full: (full: boolean) => void; closed: () => boolean } {
  const sent: string[] = [];
  let full = false;
  let closed = false;
  const fake = Object.assign(new EventTarget(), {
    send: (data: Uint8Array | Uint8ArrayList) => {
      sent.push(Buffer.from(data.subarray()).toString('latin1'));
      return !full;
    },
    close: async () => {
      closed = true;
      await Promise.resolve();
    },
  });
  return { connection: gatherSends(fake as unknown as MessageStream), sent, full: (value) => { full = value; }, closed: () => closed };
}

function windowUpdate(bytes: number): Uint8Array {
  const frame = Buffer.alloc(12);
  frame[1] = 1;
  frame.writeUInt32BE(bytes, 8);
  return frame;
}

test('what is sent within a moment goes as one message, in order', async (t) => {
  const { connection, sent } = fakeConnection();
  for (const text of ['one ', 'two ', 'three']) t.true(connection.send(Buffer.from(text)));
  await waitFor('a message', () => sent.length > 0);
  t.deepEqual(sent, ['one two three']);
});

test('bulk goes at once, with what waited before it', (t) => {
  const { connection, sent } = fakeConnection();
  connection.send(Buffer.from('before'));
  connection.send(Buffer.alloc(70_000));
  t.is(sent.length, 1);
  t.true(sent[0]!.startsWith('before'));
});

test('a small window update goes with what is sent next', async (t) => {
  const { connection, sent } = fakeConnection();
  connection.send(windowUpdate(100));
  connection.send(Buffer.from('next'));
  await waitFor('a message', () => sent.length > 0);
  t.is(sent.length, 1);
  t.true(sent[0]!.endsWith('next'));
});

test('window updates that give much go at once', (t) => {
  const { connection, sent } = fakeConnection();
  connection.send(windowUpdate(40_000));
  t.is(sent.length, 0);
  connection.send(windowUpdate(40_000));
  t.is(sent.length, 1);
});

test('a window update goes also where nothing follows', async (t) => {
  const { connection, sent } = fakeConnection();
  connection.send(windowUpdate(100));
  await waitFor('the update', () => sent.length > 0);
  t.is(sent[0]!.length, 12);
});

test('a full connection is said to be full until it has drained', async (t) => {
  const { connection, sent, full } = fakeConnection();
  full(true);
  connection.send(Buffer.from('a'));
  await waitFor('a message', () => sent.length > 0);
  t.false(connection.send(Buffer.from('b')));
  connection.dispatchEvent(new Event('drain'));
  t.true(connection.send(Buffer.from('c')));
});

test('closing sends first what waits', async (t) => {
  const { connection, sent, closed } = fakeConnection();
  connection.send(Buffer.from('last'));
  await connection.close();
  t.deepEqual(sent, ['last']);
  t.true(closed());
});
