import test from 'ava';
import { TicketBook } from '../../../../../src/swarm/lane/bulk/tickets.ts';

const SECRET = Buffer.alloc(32, 1);
const FINGERPRINT = Buffer.alloc(32, 2);

function book(): { tickets: TicketBook; readonly at: (ms: number) => void } {
  let now = 0;
  return {
    tickets: new TicketBook(() => now),
    at: (ms) => {
      now = ms;
    },
  };
}

test('a ticket admits once', (t) => {
  const { tickets } = book();
  tickets.add(SECRET, { route: 'p', fingerprint: FINGERPRINT, asked: false, expiresAt: 10 });
  t.is(tickets.redeem(SECRET, FINGERPRINT)?.route, 'p');
  t.is(tickets.redeem(SECRET, FINGERPRINT), undefined);
});

test('a ticket is used up by a wrong certificate', (t) => {
  const { tickets } = book();
  tickets.add(SECRET, { route: 'p', fingerprint: FINGERPRINT, asked: false, expiresAt: 10 });
  t.is(tickets.redeem(SECRET, Buffer.alloc(32, 3)), undefined);
  t.is(tickets.redeem(SECRET, FINGERPRINT), undefined);
});

test('a ticket ends with its time', (t) => {
  const { tickets, at } = book();
  tickets.add(SECRET, { route: 'p', fingerprint: FINGERPRINT, asked: false, expiresAt: 10 });
  at(10);
  t.is(tickets.redeem(SECRET, FINGERPRINT), undefined);
});

test('tickets that nobody uses do not pile up', (t) => {
  const { tickets, at } = book();
  for (let i = 0; i < 10_000; i++) {
    const secret = Buffer.alloc(32);
    secret.writeUInt32BE(i);
    tickets.add(secret, { route: 'p', fingerprint: FINGERPRINT, asked: false, expiresAt: 10 });
  }
  t.is(tickets.size, 4096);
  at(10);
  tickets.add(SECRET, { route: 'p', fingerprint: FINGERPRINT, asked: false, expiresAt: 20 });
  t.is(tickets.size, 1);
});
