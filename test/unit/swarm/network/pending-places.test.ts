import test from 'ava';
import { PendingPlaces, type PendingConnection } from '../../../../src/swarm/network/pending-places.ts';

class Fake extends EventTarget implements PendingConnection {
  readonly remoteAddr: { toString(): string };
  aborted = false;

  constructor(address: string) {
    super();
    this.remoteAddr = { toString: () => address };
  }

  abort(): void {
    this.aborted = true;
    this.dispatchEvent(new Event('close'));
  }
}

const from = (host: number, port: number): Fake => new Fake(`/ip4/10.0.${Math.floor(host / 250)}.${(host % 250) + 1}/tcp/${port}`);

test('one address has a few places, however many it asks for, and a /64 counts as one', (t) => {
  const places = new PendingPlaces();
  t.is(Array.from({ length: 20 }, (_, port) => places.enter(from(1, port + 1))).filter(Boolean).length, 8);
  t.true(places.enter(from(2, 1)));
  const six = Array.from({ length: 20 }, (_, i) => places.enter(new Fake(`/ip6/2001:db8::${i + 1}/tcp/4001`)));
  t.is(six.filter(Boolean).length, 8);
});

test('many addresses that connect and say nothing keep nobody out: the oldest of them goes', (t) => {
  const places = new PendingPlaces();
  const silent = Array.from({ length: 150 }, (_, i) => from(i, 1));
  t.true(silent.every((connection) => places.enter(connection)));
  t.is(silent.filter(({ aborted }) => aborted).length, 50);
  t.true(silent.slice(0, 50).every(({ aborted }) => aborted));
  t.true(places.enter(from(200, 1)));
});

test('where members came from has places of its own, which strangers never take', (t) => {
  const places = new PendingPlaces();
  places.know('/ip4/192.0.2.1/tcp/5');
  const members = Array.from({ length: 32 }, (_, i) => new Fake(`/ip4/192.0.2.1/tcp/${i + 10}`));
  t.true(members.every((connection) => places.enter(connection)));
  t.false(places.enter(new Fake('/ip4/192.0.2.1/tcp/9')));
  for (let i = 0; i < 500; i++) places.enter(from(i, 1));
  t.false(members.some(({ aborted }) => aborted));
  places.leave('/ip4/192.0.2.1/tcp/10');
  t.true(places.enter(new Fake('/ip4/192.0.2.1/tcp/9')));
});
