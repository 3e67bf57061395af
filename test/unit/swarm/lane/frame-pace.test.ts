import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { FramePace } from '../../../../src/swarm/lane/frame-pace.ts';
import { encodeFrame } from '../../../../src/swarm/lane/frame.ts';
import { LaneSessions } from '../../../../src/swarm/lane/lane-sessions.ts';
import type { LaneTransport } from '../../../../src/swarm/lane/lane-transport.ts';

const HOST = '192.0.2.1';

test('a peer may send twice its rate at once, and waits for what is over that; an address has a rate for all that come from it', (t) => {
  let now = 0;
  const pace = new FramePace({ peer: 100, address: 150 }, () => now);
  for (let i = 0; i < 200; i++) t.is(pace.take('a', HOST), 0);
  t.is(pace.take('a', HOST), 10);
  t.is(pace.take('a', HOST, 9), 100);
  t.is(pace.take('other', '192.0.2.2'), 0);
  // of 300 frames of the address 90 are left
  t.is(pace.take('b', HOST, 90), 0);
  t.true(pace.take('b', HOST) > 0);
  t.true(pace.take('c', HOST) > 0);
  now += 100;
  t.is(pace.take('a', HOST, 0), 0);
  pace.forget('a');
  t.true(pace.take('a', HOST, 100) > 0, 'its address is remembered');
});

/** Counts what the lane sends, and whether it reads. */
class Transport implements LaneTransport {
  handler: LaneTransport['handler'];
  isReading = true;
  sent = 0;

  send(_header: Uint8Array, _payload?: Uint8Array, free?: () => void): boolean {
    this.sent += 1;
    free?.();
    return true;
  }

  pause(): void {
    this.isReading = false;
  }

  resume(): void {
    this.isReading = true;
  }

  async end(): Promise<void> {
    // nothing is under way
  }

  destroy(error: Error): void {
    this.handler?.onClose(error);
  }
}

function laneOf(lanes: LaneSessions, route: string): Transport {
  const transport = new Transport();
  lanes.attach(transport, { route, host: HOST, kind: 'tls', role: 'acceptor' });
  return transport;
}

test('who asks for ranges and cancels them as fast as it can is read later, on any of its lanes, and nobody else is', async (t) => {
  // The same time always.
  const lanes = new LaneSessions({ source: { read: () => undefined }, now: () => 1000 });
  const blob = Digest.of(Buffer.from('nothing'));
  const request = (id: number): Buffer => encodeFrame({ type: 'request', id, blob, range: { start: 0, end: 65_536 } });
  const flooder = laneOf(lanes, 'flooder');
  const pairs = 100;
  const before = process.threadCpuUsage();
  let asked = 0;
  while (flooder.isReading && asked < 20_000) {
    const frames = Array.from({ length: pairs }, (_, i) => [request(asked + i), encodeFrame({ type: 'cancel', id: asked + i })]);
    asked += pairs;
    flooder.handler!.onData(Buffer.concat(frames.flat()));
    await setImmediate();
  }
  const { user, system } = process.threadCpuUsage(before);
  t.log(`${((user + system) / (2 * asked)).toFixed(1)} µs of CPU a frame`);
  t.is(asked, 8100);
  const others = ['flooder', 'other'].map((route) => laneOf(lanes, route));
  for (const transport of others) transport.handler!.onData(request(0));
  t.deepEqual(
    others.map(({ isReading }) => isReading),
    [false, true],
  );
  await lanes.close();
});
