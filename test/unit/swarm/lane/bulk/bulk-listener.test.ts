import { createConnection } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { BulkListener } from '../../../../../src/swarm/lane/bulk/bulk-listener.ts';
import { makeBulkIdentity } from '../../../../../src/swarm/lane/bulk/certificate.ts';
import { TicketBook, type Ticket } from '../../../../../src/swarm/lane/bulk/tickets.ts';
import { bulkAlpn, tlsOptions } from '../../../../../src/swarm/lane/bulk/tls-settings.ts';
import { waitFor } from '../../../../support/wait-for.ts';

const TICKET = Buffer.alloc(32, 7);
const member = makeBulkIdentity();

interface Port {
  readonly port: number;
  readonly tickets: TicketBook;
  readonly admitted: { socket: TLSSocket; ticket: Ticket }[];
}

async function listen(t: ExecutionContext): Promise<Port> {
  const tickets = new TicketBook(() => 0);
  const admitted: Port['admitted'] = [];
  const listener = new BulkListener({
    identity: makeBulkIdentity(),
    tickets,
    thread: 0,
    onAdmitted: (socket, ticket) => {
      admitted.push({ socket, ticket });
    },
  });
  const port = await listener.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => {
    listener.close();
    for (const { socket } of admitted) socket.destroy();
  });
  tickets.add(TICKET, { route: 'member', fingerprint: member.fingerprint, asked: false, expiresAt: 1 });
  return { port, tickets, admitted };
}

/** Shows what it is given, and resolves when the connection has ended. */
async function shows(port: number, bytes: Uint8Array, options: ConnectionOptions = {}): Promise<void> {
  const socket = connect({
    ...tlsOptions(member),
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [bulkAlpn(0)],
    ...options,
  });
  socket.on('error', () => undefined);
  socket.on('secureConnect', () => {
    socket.write(bytes);
  });
  socket.resume();
  await new Promise((resolve) => {
    socket.on('close', resolve);
  });
}

test('a ticket over the certificate that it is for admits once', async (t) => {
  const { port, admitted } = await listen(t);
  const ended = shows(port, TICKET);
  await waitFor('the member', () => admitted.length === 1, { interval: 5 });
  t.is(admitted[0]!.ticket.route, 'member');
  t.is(admitted[0]!.socket.getCipher().standardName, 'TLS_AES_128_GCM_SHA256');
  await shows(port, TICKET);
  t.is(admitted.length, 1);
  admitted[0]!.socket.end();
  await ended;
});

const strangers: Readonly<Record<string, { bytes: Uint8Array; options?: ConnectionOptions }>> = {
  'a wrong ticket': { bytes: Buffer.alloc(32, 8) },
  'bytes behind the ticket': { bytes: Buffer.concat([TICKET, Buffer.of(0)]) },
  'another certificate': { bytes: TICKET, options: tlsOptions(makeBulkIdentity()) },
  'no certificate': { bytes: TICKET, options: { key: undefined, cert: undefined } },
  'another protocol': { bytes: TICKET, options: { ALPNProtocols: ['h2'] } },
  'no protocol': { bytes: TICKET, options: { ALPNProtocols: [] } },
  'TLS 1.2': { bytes: TICKET, options: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } },
};
for (const [who, { bytes, options }] of Object.entries(strangers)) {
  test(`${who} is not admitted`, async (t) => {
    const { port, admitted } = await listen(t);
    await shows(port, bytes, options);
    t.is(admitted.length, 0);
  });
}

test('what is not TLS is hung up on', async (t) => {
  const { port, admitted } = await listen(t);
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  socket.resume();
  await new Promise((resolve) => {
    socket.on('close', resolve);
  });
  t.is(admitted.length, 0);
});

test('one address has no more than sixteen connections that have shown no ticket', async (t) => {
  const { port, admitted } = await listen(t);
  let open = 0;
  let closed = 0;
  const sockets = Array.from({ length: 40 }, () => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => {
      open += 1;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed += 1;
    });
    return socket.resume();
  });
  await waitFor('the surplus to be hung up on', () => open === 40 && closed === 24, { interval: 5 });
  for (const socket of sockets) socket.destroy();
  // And who goes makes room.
  await waitFor(
    'room for the member',
    async () => {
      const ended = shows(port, TICKET);
      await Promise.race([ended, waitFor('an answer', () => admitted.length === 1, { interval: 5, deadline: 500 }).catch(() => undefined)]);
      return admitted.length === 1;
    },
    { interval: 5 },
  );
  t.pass();
});

test('a port that is taken is reported as such', async (t) => {
  const { port } = await listen(t);
  const second = new BulkListener({
    identity: makeBulkIdentity(),
    tickets: new TicketBook(() => 0),
    thread: 0,
    onAdmitted: () => undefined,
  });
  await t.throwsAsync(second.listen({ host: '127.0.0.1', port }), { code: 'port-taken' });
});
