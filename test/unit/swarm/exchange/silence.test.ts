import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { Download, type Command } from '../../../../src/swarm/exchange/core/download.ts';
import { Bitfield } from '../../../../src/swarm/exchange/core/bitfield.ts';
import { DOWNLOAD_LIMITS } from '../../../../src/swarm/exchange/core/limits.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import type { Fetch } from '../../../../src/swarm/exchange/core/neighbour.ts';
import type { Read } from '../../../../src/swarm/exchange/core/read-plan.ts';
import { ExchangeSwarm, pull } from '../../../support/exchange-nodes.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';

const LAYOUT = new PieceLayout(8 * 65_536);

function download(): Download {
  return new Download(LAYOUT, () => 0.5);
}

/** Looks as often as a node does, and gives what was chosen since. */
function planTo(choices: Download, from: number, to: number): Command[] {
  const commands: Command[] = [];
  for (let now = from; now < to; now += 200) commands.push(...choices.plan(now));
  return [...commands, ...choices.plan(to)];
}

const fetchesOf = (commands: readonly Command[]): Fetch[] =>
  commands.flatMap((command) => (command.type === 'fetch' ? [command.fetch] : []));
const silences = (commands: readonly Command[]): number => commands.filter(({ type }) => type === 'silent').length;

test('what a member was to bring that sends no byte is asked of another, and of it nothing more', (t) => {
  const choices = download();
  choices.meet('a', 'fetching', Bitfield.full(8), 0);
  t.true(fetchesOf(choices.plan(0)).length > 0);
  t.is(silences(planTo(choices, 100, 1900)), 0);
  choices.meet('b', 'fetching', Bitfield.full(8), 2050);
  const commands = choices.plan(2100);
  t.true(silences(commands) > 0);
  const again = fetchesOf(commands);
  t.true(again.length > 0 && again.every(({ peer }) => peer === 'b'));
});

test('bytes that come put silence off, also within a piece; a member that is heard again counts again', (t) => {
  const choices = download();
  choices.meet('a', 'fetching', Bitfield.full(8), 0);
  const asked = fetchesOf(choices.plan(0));
  for (let now = 1500; now < 9000; now += 1500) {
    for (const fetch of asked) choices.heard({ fetch }, now);
    t.is(silences(planTo(choices, now, now + 1400)), 0);
  }
  t.is(silences(planTo(choices, 9000, 20_000)), asked.length);
  for (const fetch of asked) choices.heard({ fetch }, 20_001);
  for (const fetch of asked)
    for (let piece = fetch.first; piece < fetch.first + fetch.count; piece++) choices.arrived(piece, { fetch }, true, 20_002);
  for (const fetch of asked) choices.fetchEnded(fetch, 'done', 20_003);
  for (let rest = fetchesOf(choices.plan(20_100)); rest.length > 0; rest = fetchesOf(choices.plan(20_100))) {
    for (const fetch of rest) {
      for (let piece = fetch.first; piece < fetch.first + fetch.count; piece++) choices.arrived(piece, { fetch }, true, 20_101);
      choices.fetchEnded(fetch, 'done', 20_101);
    }
  }
  t.true(choices.have.isFull);
});

test('where pieces take their time nobody is silent before eight times that', (t) => {
  const choices = download();
  choices.meet('a', 'fetching', Bitfield.full(8), 0);
  const [first, second] = fetchesOf(choices.plan(0));
  choices.arrived(first!.first, { fetch: first! }, true, 1500);
  for (const fetch of [first!, second!]) choices.heard({ fetch }, 1500);
  const limit = 1500 + DOWNLOAD_LIMITS.silencePieces * 1500;
  t.is(silences(planTo(choices, 0, limit - 100)), 0);
  t.true(silences(planTo(choices, limit, limit + 100)) > 0);
});

test('a node that did not look for a while takes nobody for silent because of that', (t) => {
  const choices = download();
  choices.meet('a', 'fetching', Bitfield.full(8), 0);
  choices.plan(0);
  t.is(silences(choices.plan(30_000)), 0);
  t.true(silences(planTo(choices, 30_000, 32_500)) > 0);
});

test('a reading of the origin that is silent from the start is waited for while nothing else comes, and given up to others once pieces do', (t) => {
  const choices = download();
  choices.plan(0);
  const [command] = choices.leased([{ id: 1, first: 0, count: 4 }], 0);
  const { read } = command as { read: Read };
  t.is(silences(planTo(choices, 0, 60_000)), 0);
  choices.meet('a', 'fetching', Bitfield.full(8), 60_000);
  const fetches = fetchesOf(choices.plan(60_001));
  t.true(fetches.every(({ first }) => first >= 4));
  for (const fetch of fetches) {
    for (let piece = fetch.first; piece < fetch.first + fetch.count; piece++) choices.arrived(piece, { fetch }, true, 60_002);
    choices.fetchEnded(fetch, 'done', 60_002);
  }
  const commands = choices.plan(60_003);
  t.true(commands.some((what) => what.type === 'silent' && what.read === read));
  t.true(fetchesOf(commands).some(({ first }) => first < 4));
});

test('a member that takes requests and sends nothing holds nobody up', async (t: ExecutionContext) => {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  const origin = new MemoryOrigin();
  const blob = randomBytes(6_000_000);
  const digest = origin.add(blob);
  const nodes = await swarm.addAll(4, origin);
  let left = 5;
  swarm.swarm.faults.chunk = async (from, _to, chunk) => {
    if (from === nodes[1]!.network.self && left-- <= 0) await new Promise(() => undefined);
    return chunk;
  };
  for (const bytes of await Promise.all(nodes.map((node) => pull(node, digest, blob.length)))) t.true(blob.equals(bytes));
});
