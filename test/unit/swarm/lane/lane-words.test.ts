import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../../src/errors.ts';
import type { WordFrame } from '../../../../src/swarm/lane/frame.ts';
import { LaneWords } from '../../../../src/swarm/lane/lane-words.ts';
import { MessageHandlers } from '../../../../src/swarm/network/handlers.ts';
import type { Peer } from '../../../../src/swarm/network/network.ts';
import { encodeWord, type Word } from '../../../../src/swarm/protocol/word.ts';
import { throwsCode } from './conformance/lane-pair.ts';

const HOST = '192.0.2.1';
const blob = `sha256:${'ab'.repeat(32)}`;
const have = (piece: number): Word => ({ type: 'have', blob, runs: [[piece, 1]], forZone: false });

class Side {
  readonly name: string;
  readonly handlers = new MessageHandlers();
  readonly said: WordFrame[] = [];
  readonly misbehaved: string[] = [];
  readonly words: LaneWords;
  other: Side | undefined;
  opened = 0;
  isOpen = true;
  /** What opening waits for. */
  opening: Promise<void> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
    this.words = new LaneWords({
      handlers: this.handlers,
      peer: (peerId) => (peerId === this.other?.name ? ({ peerId } as Peer) : undefined),
      current: () => (this.isOpen ? { say: (frame) => this.#say(frame) } : undefined),
      open: async () => {
        this.opened++;
        await this.opening;
        this.isOpen = true;
      },
      // The same time always.
      now: () => 1000,
      misbehaved: (peerId) => {
        this.misbehaved.push(peerId);
      },
    });
  }

  #say(frame: WordFrame): boolean {
    this.said.push(frame);
    void this.other?.words.heard(this.name, HOST, frame);
    return true;
  }
}

function pair(): [a: Side, b: Side] {
  const [a, b] = [new Side('a'), new Side('b')];
  a.other = b;
  b.other = a;
  return [a, b];
}

function collect(t: ExecutionContext, side: Side): number[] {
  const seen: number[] = [];
  side.handlers.set('have', ({ runs }, from) => {
    t.is(from.peerId, side.other!.name);
    seen.push(runs[0]![0]);
    return undefined;
  });
  return seen;
}

test('news and questions go over lanes, and answers come back', async (t) => {
  const [a, b] = pair();
  const seen = collect(t, b);
  b.handlers.set('get-list', (message) => {
    throw new LayerswarmError('not-found', `no list of ${message.blob}`);
  });
  b.handlers.set('dispute', (message) => ({ type: 'statements', blob: message.blob, statements: [] }));
  a.words.send('b', have(1));
  t.deepEqual(seen, [1]);
  t.deepEqual(await a.words.request('b', { type: 'dispute', blob, runs: [] }, 'statements'), { type: 'statements', blob, statements: [] });
  await throwsCode(t, a.words.request('b', { type: 'get-list', blob }, 'list'), 'not-found');
});

test('a lane is opened where there is none, and what waited for it is said in order', async (t) => {
  const [a, b] = pair();
  const seen = collect(t, b);
  a.isOpen = false;
  for (let piece = 0; piece < 3; piece++) a.words.send('b', have(piece));
  t.deepEqual(seen, []);
  await a.opening;
  await Promise.resolve();
  a.words.send('b', have(3));
  await Promise.resolve();
  t.deepEqual(seen, [0, 1, 2, 3]);
  t.is(a.opened, 1);
});

test('the time for an answer begins when the lane is open', async (t) => {
  const [a, b] = pair();
  b.handlers.set('dispute', () => ({ type: 'ok' }));
  const opening = Promise.withResolvers<void>();
  [a.isOpen, a.opening] = [false, opening.promise];
  const asked = a.words.request('b', { type: 'dispute', blob, runs: [] }, 'ok', { timeoutMs: 1 });
  await delay(2);
  opening.resolve();
  t.deepEqual(await asked, { type: 'ok' });
});

test('whoever asks a member that takes no lane, or leaves, is told so', async (t) => {
  const [a] = pair();
  a.isOpen = false;
  a.opening = Promise.reject(new LayerswarmError('timeout', 'no lane'));
  await throwsCode(t, a.words.request('b', { type: 'get-list', blob }, 'list'), 'peer-gone');
  await throwsCode(t, a.words.request('stranger', { type: 'get-list', blob }, 'list'), 'peer-gone');
  a.isOpen = true;
  a.other!.handlers.set('get-list', async () => await new Promise<never>(() => undefined));
  const asked = a.words.request('b', { type: 'get-list', blob }, 'list', { timeoutMs: 60_000 });
  a.words.forget('b');
  await throwsCode(t, asked, 'peer-gone');
});

test('what is no word is counted against whoever said it', (t) => {
  const [a] = pair();
  t.throws(() => a.words.heard('b', HOST, { type: 'note', id: 0, word: Buffer.from('rubbish') }), { code: 'peer-misbehaved' });
  t.deepEqual(a.misbehaved, ['b']);
});

test('an answer is awaited until it has come', async (t) => {
  const [a, b] = pair();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  b.handlers.set('dispute', async () => await promise);
  const asked = a.words.request('b', { type: 'dispute', blob, runs: [] }, 'ok');
  const { id } = a.said[0]!;
  t.true(a.words.awaits('b', id));
  resolve(undefined);
  await asked;
  t.false(a.words.awaits('b', id));
});

test('who says too much at once, or asks too much, is read later', async (t) => {
  const [a, b] = pair();
  collect(t, a);
  const word = encodeWord(have(0));
  const waits: (Promise<void> | undefined)[] = [];
  for (let i = 0; i < 4500; i++) {
    if (i % 100 === 0) await setImmediate();
    waits.push(a.words.heard('b', HOST, { type: 'note', id: 0, word }));
  }
  t.is(waits[3000], undefined);
  t.not(waits.at(-1), undefined);
  const { promise, resolve } = Promise.withResolvers<undefined>();
  b.handlers.set('dispute', async () => await promise);
  const ask = encodeWord({ type: 'dispute', blob, runs: [] });
  const asks = Array.from({ length: 256 }, (_, id) => b.words.heard('a', HOST, { type: 'ask', id, word: ask }));
  t.is(asks[0], undefined);
  t.not(asks.at(-1), undefined);
  resolve(undefined);
  await asks.at(-1);
});

test('identities at one address share what is heard of it, also when they leave and come back, and nobody else waits', async (t) => {
  const words = new LaneWords({
    handlers: new MessageHandlers(),
    peer: (peerId) => ({ peerId }) as Peer,
    current: () => undefined,
    open: async () => {
      await Promise.resolve();
    },
    now: () => 1000,
    misbehaved: () => undefined,
  });
  const word = encodeWord(have(0));
  const say = (peerId: string, host: string): Promise<void> | undefined => words.heard(peerId, host, { type: 'note', id: 0, word });
  for (let peer = 0; peer < 16; peer++) {
    for (let i = 0; i < 1000; i++) {
      if (i % 100 === 0) await setImmediate();
      t.is(say(`peer${peer}`, HOST), undefined);
    }
    words.forget(`peer${peer}`);
    await setImmediate();
  }
  t.not(say('another', HOST), undefined);
  t.is(say('another', '192.0.2.2'), undefined);
});

test('a long word counts for as many as it is as long as', async (t) => {
  const [a, b] = pair();
  collect(t, a);
  const word = encodeWord({
    type: 'have',
    blob,
    runs: Array.from({ length: 4096 }, (_, i): [number, number] => [4 * i, 1]),
    forZone: false,
  });
  let said = 0;
  while (a.words.heard(b.name, HOST, { type: 'note', id: 0, word }) === undefined) {
    said += 1;
    await setImmediate();
  }
  t.is(said, Math.floor(4000 / Math.ceil(word.length / 1024)));
});
