import { encodeFrame } from '../../src/swarm/protocol/frame.ts';
import type { Message } from '../../src/swarm/protocol/message.ts';
import { encodeWord, isWord } from '../../src/swarm/protocol/word.ts';

const BLOB = `sha256:${'0'.repeat(64)}`;
/** Around every frame: its length, the yamux header, the Noise length and tag. */
const ENVELOPE_BYTES = 4 + 12 + 18;
/** Around every word on a lane: the frame's header, the TLS record's and its tag. */
const WORD_ENVELOPE_BYTES = 8 + 22;
const RUN_BYTES = 4;
/** The lane's request for a range: header, digest, start and end. */
const RANGE_REQUEST_BYTES = 7 + 35 + 16 + 22;

const EXAMPLES = {
  join: { type: 'join', holding: { blob: BLOB, state: 'none' }, wants: true },
  have: { type: 'have', blob: BLOB, runs: [], forZone: false },
  leave: { type: 'leave', blob: BLOB, complete: true },
  leaseRequest: { type: 'lease-request', blob: BLOB, size: 64 << 20, pieceLength: 65_536, bits: new Uint8Array(), active: [], pieces: 16 },
  leaseGrant: { type: 'lease-grant', blob: BLOB, extents: [{ id: 100, first: 1000, count: 16 }] },
  leaseReport: { type: 'lease-report', blob: BLOB, id: 100, done: [], outcome: 'done' },
} satisfies Record<string, Message>;

export type ControlKind = keyof typeof EXAMPLES | 'rangeRequest';

const BYTES = new Map<ControlKind, number>(
  Object.entries(EXAMPLES).map(([kind, message]) => [
    kind as ControlKind,
    isWord(message)
      ? encodeWord(message).length + WORD_ENVELOPE_BYTES
      : encodeFrame({ kind: 'request', id: 1000, message }).length + ENVELOPE_BYTES,
  ]),
);
BYTES.set('rangeRequest', RANGE_REQUEST_BYTES);

/** Bytes of a control message as it crosses the wire, TCP/IP headers left out; `extra`: those of a bitfield. */
export function controlBytes(kind: ControlKind, runs = 0, extra = 0): number {
  return BYTES.get(kind)! + runs * RUN_BYTES + extra;
}
