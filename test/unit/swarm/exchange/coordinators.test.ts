import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import type { Extent } from '../../../../src/swarm/exchange/core/lease-table.ts';
import { Coordinators, type LeaseRequest } from '../../../../src/swarm/exchange/coordinators.ts';
import { Bitfield } from '../../../../src/swarm/exchange/core/bitfield.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import { Strikes } from '../../../../src/swarm/exchange/strikes.ts';
import { MessageHandlers } from '../../../../src/swarm/network/handlers.ts';
import type { Message } from '../../../../src/swarm/protocol/message.ts';
import { MemorySwarm, type MemoryFaults, type MemoryNetwork } from '../../../support/memory-network.ts';

const LAYOUT = new PieceLayout(64 * 65_536);
const SIGNAL = new AbortController().signal;

interface Node {
  readonly network: MemoryNetwork;
  readonly coordinators: Coordinators;
  /** What it wrote of its decisions. */
  readonly said: readonly string[];
  /** Takes a message as if it had just come. */
  readonly hear: (message: Message, from: Node) => unknown;
}

/** Members in order of their distance to the blob, closest first, not connected; `blob` is any. */
async function members(
  t: ExecutionContext,
  count: number,
  faults: MemoryFaults = {},
): Promise<{ swarm: MemorySwarm; nodes: Node[]; blob: Digest }> {
  const swarm = new MemorySwarm(faults);
  const blob = Digest.of(Buffer.from('blob'));
  const nodes: Node[] = [];
  for (let i = 0; i < count; i++) {
    const network = await swarm.join({ connect: false });
    const handlers = new MessageHandlers();
    const said: string[] = [];
    nodes.push({
      network,
      said,
      hear: (message, from) => handlers.handle(message, network.peer(from.network.self)!),
      coordinators: new Coordinators({
        network,
        handle: (type, _cost, handler) => {
          network.handle(type, handler);
          handlers.set(type, handler);
        },
        now: Date.now,
        strikes: new Strikes(),
        random: () => 0.5,
        say: (message) => {
          said.push(message);
        },
      }),
    });
  }
  t.teardown(() =>
    swarm.nodes.forEach((node) => {
      node.stop();
    }),
  );
  for (const { network: a } of nodes) for (const { network: b } of nodes) swarm.connect(a, b);
  const closest = (left: Node[]): Node => left.find(({ network }) => network.self === left[0]!.coordinators.coordinator(blob))!;
  const ranked: Node[] = [];
  for (let left = nodes; left.length > 0; left = left.filter((node) => node !== ranked.at(-1))) {
    ranked.push(closest(left));
    swarm.isolate(ranked.at(-1)!.network);
  }
  return { swarm, nodes: ranked, blob };
}

function request(urgent = false): LeaseRequest {
  return { layout: LAYOUT, bits: new Bitfield(LAYOUT.pieceCount), active: [], pieces: 4, urgent };
}

function link(swarm: MemorySwarm, ...pairs: [Node, Node][]): void {
  for (const [a, b] of pairs) swarm.connect(a.network, b.network);
}

/** Three that know each other. */
async function mesh(
  t: ExecutionContext,
  faults: MemoryFaults = {},
): Promise<Record<'first' | 'second' | 'third', Node> & { swarm: MemorySwarm; blob: Digest }> {
  const { swarm, nodes, blob } = await members(t, 3, faults);
  const [first, second, third] = nodes as [Node, Node, Node];
  link(swarm, [first, second], [first, third], [second, third]);
  return { swarm, first, second, third, blob };
}

test('the closest member hands out leases, each piece once', async (t) => {
  const { first, second, third, blob } = await mesh(t);
  const answers = await Promise.all(
    [first, second, third].map(async ({ coordinators }) => await coordinators.ask(blob, request(), SIGNAL)),
  );
  const pieces = answers.flatMap((answer) => ('extents' in answer ? answer.extents : [])).map(({ first: piece }) => piece);
  t.is(new Set(pieces).size, 3);
});

test('what a member says is taken in its order, also where it asks for leases in between', async (t) => {
  const {
    swarm,
    nodes: [first, second],
    blob,
  } = await members(t, 2);
  link(swarm, [first!, second!]);
  const answer = await second!.coordinators.ask(blob, request(), SIGNAL);
  t.true('extents' in answer);
  if (!('extents' in answer)) return;
  const [{ id, first: piece, count }] = answer.extents as [Extent];
  const { layout, bits } = request();
  first!.hear(
    {
      type: 'lease-request',
      blob: blob.toString(),
      size: layout.size,
      pieceLength: layout.pieceLength,
      bits: Uint8Array.from(bits.toBytes()),
      active: [[piece, count]],
      pieces: 1,
    },
    second!,
  );
  first!.hear({ type: 'lease-report', blob: blob.toString(), id, done: [[piece, count]], outcome: 'done' }, second!);
  t.is(first!.coordinators.leases, 1, 'the one that was asked for last');
});

test('who cannot see the coordinator leaves the reading to those who can', async (t) => {
  const {
    swarm,
    nodes: [first, second, third],
    blob,
  } = await members(t, 3);
  link(swarm, [first!, second!], [second!, third!]);
  const answer = await third!.coordinators.ask(blob, request(), SIGNAL);
  t.deepEqual(answer, { waitMs: 2000 });
  t.is(third!.coordinators.coordinator(blob), undefined);
  t.deepEqual(
    third!.network.peers().map(({ peerId }) => peerId),
    [second!.network.self],
  );
});

test('who has to read itself connects to the coordinator that it could not see', async (t) => {
  const {
    swarm,
    nodes: [first, second, third],
    blob,
  } = await members(t, 3);
  link(swarm, [first!, second!], [second!, third!]);
  const answer = await third!.coordinators.ask(blob, request(true), SIGNAL);
  t.true('extents' in answer);
  t.is(third!.coordinators.coordinator(blob), first!.network.self);
});

test('a member that takes itself for the closest asks the DHT first', async (t) => {
  const {
    swarm,
    nodes: [first, second, third],
    blob,
  } = await members(t, 3);
  link(swarm, [second!, third!]);
  await third!.coordinators.ask(blob, request(), SIGNAL);
  t.true(second!.network.peers().some(({ peerId }) => peerId === first!.network.self));
});

test('a member stands in for a coordinator that is silent', async (t) => {
  let silent = '';
  const { first, third, blob } = await mesh(t, { drop: (from) => from === silent });
  silent = first.network.self;
  const answer = await third.coordinators.ask(blob, request(), SIGNAL);
  t.true('extents' in answer);
  t.deepEqual(third.said, ['a coordinator is passed over']);
});

test('a coordinator on a line that is full, or on a busy machine, is waited for', async (t) => {
  const { swarm, first, second, blob } = await mesh(t);
  swarm.faults.delayMs = () => 900;
  t.true('extents' in (await second.coordinators.ask(blob, request(), SIGNAL)), 'after 1.8 s');
  t.is(second.coordinators.coordinator(blob), first.network.self);
});
