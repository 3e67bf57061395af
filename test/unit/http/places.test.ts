import test, { type ExecutionContext } from 'ava';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { limitPlaces, type PlaceLimits } from '../../../src/http/places.ts';
import { waitFor } from '../../support/wait-for.ts';

interface Fixture {
  /** A connection from a loopback address, once the server has it. */
  readonly open: (from: string) => Promise<Socket>;
  /** Sends a request and waits until it is being answered. */
  readonly ask: (socket: Socket) => Promise<ServerResponse>;
}

async function start(t: ExecutionContext, limits: PlaceLimits): Promise<Fixture> {
  const answering: ServerResponse[] = [];
  let accepted = 0;
  const server = createServer((_request, response) => {
    answering.push(response);
  });
  limitPlaces(server, limits);
  server.on('connection', () => void accepted++);
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return {
    async open(from) {
      const before = accepted;
      const socket = connect({ port, host: '127.0.0.1', localAddress: from });
      socket.on('error', () => undefined).resume();
      sockets.push(socket);
      await waitFor('the connection', () => accepted > before);
      return socket;
    },
    async ask(socket) {
      const before = answering.length;
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await waitFor('the request', () => answering.length > before);
      return answering.at(-1)!;
    },
  };
}

const closed = (socket: Socket): Promise<boolean> => waitFor('the end of a connection', () => socket.closed);

test('of one address the connection that was idle for the longest makes room, and others keep theirs', async (t) => {
  const { open, ask } = await start(t, { total: 10, perAddress: 2 });
  const other = await open('127.0.0.2');
  const first = await open('127.0.0.1');
  const second = await open('127.0.0.1');
  (await ask(first)).end();
  const third = await open('127.0.0.1');
  await closed(second);
  t.false(first.closed || third.closed || other.closed);
});

test('connections that are being answered stay, and one too many of their address goes', async (t) => {
  const { open, ask } = await start(t, { total: 10, perAddress: 2 });
  const first = await open('127.0.0.1');
  const second = await open('127.0.0.1');
  await ask(first);
  await ask(second);
  await closed(await open('127.0.0.1'));
  t.false(first.closed || second.closed);
});

test('where all places are taken, whoever has the most gives one up', async (t) => {
  const { open } = await start(t, { total: 3, perAddress: 3 });
  const [oldest, newer] = [await open('127.0.0.1'), await open('127.0.0.1')];
  const single = await open('127.0.0.2');
  const third = await open('127.0.0.3');
  await closed(oldest);
  t.false(newer.closed || single.closed || third.closed);
});
