import test from 'ava';
import { Handshakes } from '../../../../src/swarm/network/handshakes.ts';

test('an address is said once an hour, and those of the last hour are shown', (t) => {
  let now = 0;
  const said: string[] = [];
  const handshakes = new Handshakes(
    (address) => said.push(address),
    () => now,
  );
  handshakes.metStranger('192.0.2.1');
  now += 1_800_000;
  handshakes.metStranger('192.0.2.1');
  handshakes.metStranger('192.0.2.2');
  t.deepEqual(said, ['192.0.2.1', '192.0.2.2']);
  now += 1_800_000;
  handshakes.metStranger('192.0.2.1');
  t.deepEqual(said, ['192.0.2.1', '192.0.2.2', '192.0.2.1']);
  t.deepEqual(handshakes.strangers(), [
    { address: '192.0.2.1', failures: 3, lastAt: now },
    { address: '192.0.2.2', failures: 1, lastAt: 1_800_000 },
  ]);
  now += 3_600_001;
  t.deepEqual(handshakes.strangers(), []);
});

test('whoever scans from thousands of addresses fills neither log nor memory', (t) => {
  const said: string[] = [];
  const handshakes = new Handshakes((address) => said.push(address));
  for (let host = 0; host < 10_000; host++) handshakes.metStranger(`192.0.${host >> 8}.${host & 255}`);
  t.is(handshakes.strangers().length, 64);
  t.is(said.length, 64);
});
