import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Digest } from '../../src/oci/digest.ts';
import { encodeFrame } from '../../src/swarm/lane/frame.ts';
import { ASKED_PER_SECOND, LaneSessions } from '../../src/swarm/lane/lane-sessions.ts';
import type { LaneTransport } from '../../src/swarm/lane/lane-transport.ts';
import { WORD_BYTES, WORDS_PER_SECOND } from '../../src/swarm/lane/lane-words.ts';
import { decodeWord, encodeWord, type Word } from '../../src/swarm/protocol/word.ts';

// What one member can make a bulk thread do by frames that it sends as fast as it can, beside what TLS costs: CPU of one, times as many as
// are read in a second. What a word then makes the node do is counted on its own (`PeerWork`: 100 ms a second).
//   node test/bench/flood.ts

const ROUNDS = 50_000;
const blob = (): string => Digest.of(randomBytes(8)).toString();
const WORDS: Readonly<Record<string, Word>> = {
  'news of one piece': { type: 'have', blob: blob(), forZone: false, runs: [[1, 1]] },
  'news of 4,096 runs': { type: 'have', blob: blob(), forZone: false, runs: Array.from({ length: 4096 }, (_, i) => [4 * i, 1]) },
  'a search for one blob': { type: 'find', blobs: [blob()], inline: false },
  'a search for 64 blobs': { type: 'find', blobs: Array.from({ length: 64 }, blob), inline: false },
  'a join with 1,024 pieces': {
    type: 'join',
    holding: { blob: blob(), state: 'partial', size: 2 ** 30, pieceLength: 2 ** 20, bits: randomBytes(128) },
    wants: true,
  },
  'a request for a lease': {
    type: 'lease-request',
    blob: blob(),
    size: 2 ** 30,
    pieceLength: 2 ** 16,
    pieces: 4,
    bits: randomBytes(2048),
    active: [],
  },
};

console.log('| what is sent | bytes | µs of CPU each | read in a second | ms of CPU a second |\n|---|---|---|---|---|');
for (const [what, word] of Object.entries(WORDS)) {
  const bytes = Buffer.from(encodeWord(word));
  const each = await cpuOf(Math.ceil(ROUNDS / Math.ceil(bytes.length / WORD_BYTES)), () => void decodeWord(bytes));
  row(what, bytes.length, each, WORDS_PER_SECOND.peer / Math.ceil(bytes.length / WORD_BYTES));
}
for (const [what, isHere] of [
  ['a request, and its cancel', true],
  ['a request for what is not here, and its cancel', false],
] as const)
  row(what, 65, (await cpuOfRequests(isHere)) / 2, ASKED_PER_SECOND.peer);

function row(what: string, bytes: number, each: number, aSecond: number): void {
  console.log(
    `| ${what} | ${bytes.toLocaleString('en')} | ${each.toFixed(1)} | ${Math.floor(aSecond).toLocaleString('en')} | ${((each * aSecond) / 1000).toFixed(0)} |`,
  );
}

/** Microseconds of a call, after as many that are not counted. */
async function cpuOf(rounds: number, call: () => void): Promise<number> {
  for (let i = 0; i < rounds; i++) call();
  await setImmediate();
  const before = process.threadCpuUsage();
  for (let i = 0; i < rounds; i++) call();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / rounds;
}

/** Microseconds of a request and a cancel together, what is sent for them included. */
async function cpuOfRequests(isHere: boolean): Promise<number> {
  const bytes = randomBytes(65_536);
  let time = 0;
  // Time enough between two frames for all to be read.
  const lanes = new LaneSessions({
    source: { read: () => (isHere ? { bytes, note: new Uint8Array() } : undefined) },
    now: () => (time += 10),
  });
  const transport: LaneTransport = {
    handler: undefined,
    send: () => true,
    pause: () => undefined,
    resume: () => undefined,
    end: () => Promise.resolve(),
    destroy: (error) => {
      throw error;
    },
  };
  lanes.attach(transport, { route: 'member', host: '192.0.2.1', kind: 'tls', role: 'acceptor' });
  const digest = Digest.parse(blob());
  let id = 0;
  const pairs = 100;
  let used = 0;
  for (let asked = 0; asked < 2 * ROUNDS; asked += pairs) {
    const frames = Array.from({ length: pairs }, () => [
      encodeFrame({ type: 'request', id, blob: digest, range: { start: 0, end: bytes.length } }),
      encodeFrame({ type: 'cancel', id: id++ }),
    ]);
    const chunk = Buffer.concat(frames.flat());
    const before = process.threadCpuUsage();
    transport.handler!.onData(chunk);
    await setImmediate();
    const { user, system } = process.threadCpuUsage(before);
    if (asked >= ROUNDS) used += user + system;
  }
  await lanes.close();
  return used / ROUNDS;
}
