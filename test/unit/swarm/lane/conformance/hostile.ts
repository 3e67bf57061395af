import { encodeFrame, encodeHeader, LANE_VERSION } from '../../../../../src/swarm/lane/frame.ts';
import { CollectingTarget } from '../../../../support/lane-source.ts';
import { waitFor } from '../../../../support/wait-for.ts';
import { BLOB, NEVER, NO_NOTE, throwsCode, type WithPair } from './lane-pair.ts';

/** Peers that do not keep to the protocol. */
export function testHostilePeers(withPair: WithPair): void {
  const request = { type: 'request', id: 0, blob: BLOB, range: { start: 0, end: 10 } } as const;
  const hostile: Readonly<Record<string, readonly Uint8Array[]>> = {
    'an unknown frame type': [Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0)],
    'a frame that is too long': [Uint8Array.of(3, 0xff, 0xff, 0xff, 0, 0, 0, 0)],
    'an empty data frame': [Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)],
    'a second hello': [encodeFrame({ type: 'hello', id: 0, version: 1 })],
    'an answer to nothing': [encodeFrame({ type: 'answer', id: 5, note: NO_NOTE })],
    'data for nothing': [encodeHeader('data', 5, 3), Buffer.from('abc')],
    'the end of nothing': [encodeFrame({ type: 'end', id: 1 })],
    'a refusal of nothing': [encodeFrame({ type: 'refuse', id: 1, reason: 'not-found' })],
    'the cancel of a request that was never made': [encodeFrame({ type: 'cancel', id: 1 })],
    'one request number twice': [encodeFrame(request), encodeFrame(request)],
    'a range that ends before it starts': [reversedRange()],
    'a long answer that nobody asked for': [encodeHeader('reply', 1, 200_000)],
    'an ask that is too long': [Uint8Array.of(9, 1, 0, 1, 0, 0, 0, 0)],
    'more requests than anybody may have open': Array.from({ length: 1100 }, (_, id) => encodeFrame({ ...request, id })),
  };
  for (const [what, frames] of Object.entries(hostile)) {
    withPair(`the lane is closed on ${what}`, async (t, pair) => {
      // Nothing is answered, so that what is open stays open.
      pair.a.source.onRead = async () => await new Promise(() => undefined);
      const raw = await pair.rawLaneToA();
      if (!raw.greeted) await waitFor('hello', () => raw.received().length >= 9, { interval: 5 });
      if (!raw.greeted) t.deepEqual(raw.received().subarray(0, 9), encodeFrame({ type: 'hello', id: 0, version: LANE_VERSION }));
      for (const frame of frames) raw.write(frame);
      await raw.closed;
      await waitFor('the lane to be dropped', () => pair.a.currentLane(pair.b) === undefined, { interval: 5 });
      t.pass();
    });
  }

  withPair('answers that overrun the request, or come in the wrong order, close the lane', async (t, pair) => {
    const answers: readonly (readonly Uint8Array[])[] = [
      [encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }), encodeFrame({ type: 'data', id: 0, bytes: Buffer.alloc(11) })],
      [encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }), encodeFrame({ type: 'answer', id: 0, note: NO_NOTE })],
      [encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }), encodeFrame({ type: 'end', id: 0 })],
      [encodeFrame({ type: 'data', id: 0, bytes: Buffer.alloc(10) })],
    ];
    for (const frames of answers) {
      const raw = await pair.rawLaneToA();
      const lane = await waitFor('the lane', () => pair.a.currentLane(pair.b), { interval: 5 });
      const asked = lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
      await waitFor('the request', () => raw.received().length > 20, { interval: 5 });
      for (const frame of frames) raw.write(frame);
      await Promise.all([throwsCode(t, asked, 'peer-misbehaved'), raw.closed]);
    }
  });
}

function reversedRange(): Buffer {
  const frame = encodeFrame({ type: 'request', id: 0, blob: BLOB, range: { start: 0, end: 10 } });
  frame.writeBigUInt64BE(11n, frame.length - 16);
  return frame;
}
