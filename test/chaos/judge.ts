import { waitFor } from '../support/wait-for.ts';
import type { ChaosNode, Footprint } from './node.ts';
import type { Plan } from './plan.ts';
import type { Pull } from './pull.ts';
import type { World } from './world.ts';

/** Descriptors more than at first: lanes and connections to members that came later, and files that are kept open. */
const MORE_FILES = 24;
const MORE_SOCKETS_PER_NODE = 4;
const MAX_RESIDENT = 500 * 2 ** 20;
/** Milliseconds: transfers that nobody waits for end after 30 s, idle connections after 65 s. */
const SETTLE_MS = 90_000;
/** Lies that the bytes themselves prove. */
const LIES_WITH_EVIDENCE: ReadonlySet<string> = new Set(['bytes', 'forgetful']);
/** Wrong pieces that a liar may have brought without being found out: of one checkpoint. */
const EVIDENT_PIECES = 16;

/** What must hold after any schedule, whatever happened in it. */
export async function judge(
  world: World,
  plan: Plan,
  pulls: readonly Pull[],
  before: readonly (Footprint | undefined)[],
  patience: number,
): Promise<string[]> {
  const broken = [...pullsBroken(plan, pulls)];
  const honest = world.nodes.filter(({ isLiar, agent }) => !isLiar && agent !== undefined);
  broken.push(...(await bansBroken(world, plan, honest)));
  const { knocks } = (await world.origin({ do: 'knocks' })) as { knocks: number };
  if (knocks > 0) broken.push(`${knocks} connections to a door that only a liar named`);
  broken.push(...(await Promise.all(honest.map(async (node) => await nodeBroken(node, plan, before[node.index], patience)))).flat());
  for (const node of honest) await node.stop();
  return [...broken, ...world.nodes.filter(({ isLiar }) => !isLiar).flatMap(({ problems }) => problems)];
}

function* pullsBroken(plan: Plan, pulls: readonly Pull[]): Generator<string> {
  for (const { node, image, manner, isCalm, result } of pulls) {
    const who = `${isCalm ? 'after it all ' : ''}a client (${manner}) of ${node.name}${plan.auto.includes(node.index) ? ' (auto)' : ''}, image ${image}`;
    // What passes a disk by that takes nothing is proven at its end where it is large.
    for (const wrong of [...result.wrong, ...(node.diskFailed ? [] : result.wrongAndCut)].slice(0, 3))
      yield `${who}: ${wrong}${node.wasFlipped ? " (a bit of that node's disk was flipped)" : ''}`;
    if (!node.wasFrozen) for (const hung of result.hung.slice(0, 3)) yield `${who}: ${hung}`;
    if (result.outcome === 'failed' && !mayFail(plan, node))
      yield `${who} failed for ${result.seconds.toFixed(0)} s: ${result.error ?? 'killed'}`;
  }
}

/** Who knows no origin serves nothing while two are named; a lost disk may keep a node from starting. */
export function mayFail(plan: Plan, node: ChaosNode): boolean {
  return (
    (plan.auto.includes(node.index) && plan.liars.some(({ lies }) => lies.includes('origin'))) ||
    (node.diskFailed && node.agent === undefined)
  );
}

async function bansBroken(world: World, plan: Plan, honest: readonly ChaosNode[]): Promise<string[]> {
  const broken: string[] = [];
  const ids = new Map(world.nodes.flatMap((node) => (node.agent === undefined ? [] : [[node.agent.info.peerId, node] as const])));
  const statuses = await Promise.all(honest.map(async (node) => ({ node, status: await node.agent!.status() })));
  for (const { node, status } of statuses) {
    for (const { peerId, reason } of status.bans) {
      const banned = ids.get(peerId);
      if (banned?.isLiar === false)
        broken.push(
          `${node.name} banned ${banned.name}, which is honest${banned.wasFlipped ? ' (a bit of its disk was flipped)' : ''}: ${reason}`,
        );
    }
  }
  for (const liar of plan.liars.filter(({ lies }) => lies.some((lie) => LIES_WITH_EVIDENCE.has(lie)))) {
    const peerId = world.nodes[liar.node]!.agent?.info.peerId;
    for (const { node, status } of statuses) {
      const wrong = status.peers.find((peer) => peer.peerId === peerId)?.badPieces ?? 0;
      if (wrong >= EVIDENT_PIECES) broken.push(`${node.name} got ${wrong} wrong pieces of the liar ${liar.node}, and did not ban it`);
    }
  }
  return broken;
}

async function nodeBroken(node: ChaosNode, plan: Plan, before: Footprint | undefined, patience: number): Promise<string[]> {
  const broken: string[] = [];
  const agent = node.agent!;
  const status = await agent.status();
  if (status.strayErrors > 0 && !node.diskFailed)
    broken.push(
      `${node.name} had ${status.strayErrors} errors that nothing caught: ${agent.program.stderr
        .split('\n')
        .filter((line) => /stray|nothing caught|unhandled/i.test(line))
        .slice(0, 3)
        .join(' | ')}`,
    );
  if (!node.diskFailed) broken.push(...(await storeBroken(node)));
  if (before !== undefined) {
    const more = { files: MORE_FILES, sockets: MORE_SOCKETS_PER_NODE * plan.nodes };
    const { files, sockets, resident } = await settled(node, before, more, SETTLE_MS * patience);
    if (files > before.files + more.files || sockets > before.sockets + more.sockets)
      broken.push(`${node.name} has ${files} files and ${sockets} sockets open, and had ${before.files} and ${before.sockets}`);
    if (resident > MAX_RESIDENT) broken.push(`${node.name} has ${Math.round(resident / 2 ** 20)} MiB of memory`);
  }
  if (!node.diskFailed) {
    const left = await waitFor('no leftovers', () => node.leftovers().length === 0, { deadline: SETTLE_MS * patience, interval: 500 }).then(
      () => [],
      () => node.leftovers(),
    );
    if (left.length > 0) broken.push(`${node.name} has files that belong to nothing: ${left.slice(0, 5).join(', ')}`);
  }
  return broken;
}

/** What `verify` finds is mended, and then there is nothing more; where no bit was flipped there is nothing at all. */
async function storeBroken(node: ChaosNode): Promise<string[]> {
  const agent = node.agent!;
  const first = await agent.cli(['verify']);
  if (first.code !== 0 && !node.wasFlipped)
    return [`${node.name}: verify ended with ${first.code}: ${first.stdout}${first.stderr}`.slice(0, 1000)];
  if (first.code === 0) return [];
  const second = await agent.cli(['verify']);
  return second.code === 0
    ? []
    : [`${node.name}: verify ended with ${second.code} after it had mended the store: ${second.stdout}${second.stderr}`.slice(0, 1000)];
}

/** Descriptors and sockets as they were, or nearly. */
async function settled(
  node: ChaosNode,
  before: Footprint,
  more: { readonly files: number; readonly sockets: number },
  deadline: number,
): Promise<Footprint> {
  let last = node.footprint();
  await waitFor(
    'descriptors',
    () => {
      last = node.footprint();
      return last.files <= before.files + more.files && last.sockets <= before.sockets + more.sockets;
    },
    { deadline, interval: 500 },
  ).catch(() => undefined);
  return last;
}
