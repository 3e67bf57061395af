import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { flipBit } from '../support/flip-bit.ts';
import { CleanupStack } from '../support/cleanup.ts';
import type { Host } from '../support/netns.ts';
import type { ChaosNode } from './node.ts';
import type { Plan, Step } from './plan.ts';
import type { World } from './world.ts';

type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;

const SLOW = 100;
const STRANGERS_PORTS = [4001, 4002, 5050];

/** Does what a step says, waits, and takes it back; `number` tells it from the others. */
export async function doStep(world: World, plan: Plan, step: Exclude<Step, StepOf<'pull'>>, number: number): Promise<void> {
  const { nodes } = world;
  const hostOf = (host: number | 'origin'): Host => (host === 'origin' ? world.originHost : nodes[host]!.host);
  switch (step.kind) {
    case 'kill':
    case 'restart': {
      const node = nodes[step.node]!;
      await node.do(async () => {
        await (step.kind === 'kill' ? node.kill() : node.stop());
        await delay(step.for);
        await node.start();
      });
      return;
    }
    case 'freeze': {
      const node = nodes[step.node]!;
      await node.do(async () => {
        node.signal('SIGSTOP');
        await delay(step.for);
        node.signal('SIGCONT');
      });
      return;
    }
    case 'unplug':
      await hostOf(step.host).setLink('down');
      await delay(step.for);
      await hostOf(step.host).setLink('up');
      return;
    case 'split': {
      const from = hostOf(step.from);
      const to = step.to.map(hostOf);
      const set = async (lost: boolean): Promise<void> => {
        await from.setLost(
          to.map(({ address }) => address),
          lost,
        );
        if (step.both) for (const other of to) await other.setLost([from.address], lost);
      };
      await set(true);
      await delay(step.for);
      await set(false);
      return;
    }
    case 'slow':
      await hostOf(step.host).setRate(plan.rate / SLOW);
      await delay(step.for);
      await hostOf(step.host).setRate(plan.rate);
      return;
    case 'origin-kill':
      await world.killOrigin();
      await delay(step.for);
      await world.startOrigin();
      return;
    case 'origin-fault':
      await world.origin({ do: 'inject', id: number, fault: step.fault, on: step.on, times: step.times });
      await delay(step.for);
      await world.origin({ do: 'heal', id: number });
      return;
    case 'disk-full': {
      const node = nodes[step.node]!;
      // one that has turned read-only takes nothing, and keeps what is on it
      if (!node.diskFailed) await node.fill();
      await delay(step.for);
      if (!node.diskFailed) node.empty();
      return;
    }
    case 'disk-read-only': {
      const node = nodes[step.node]!;
      node.diskFailed = true;
      node.disk!.breakNow();
      return;
    }
    case 'disk-error': {
      const node = nodes[step.node]!;
      node.diskFailed = true;
      node.disk!.setHalf(false);
      await delay(step.for);
      node.disk!.setHalf(true);
      return;
    }
    case 'flip': {
      const node = nodes[step.node]!;
      // A file of a disk that takes nothing cannot be changed by this program either.
      if (node.diskFailed) return;
      node.wasFlipped = true;
      flip(node, step);
      return;
    }
    case 'strangers': {
      const stop = new CleanupStack();
      const { address } = nodes[step.node]!.host;
      world.strangerHost.start(stop, process.execPath, [
        join(import.meta.dirname, 'stranger.ts'),
        ...STRANGERS_PORTS.map((port) => `${address}:${port}`),
      ]);
      await delay(step.for);
      await stop.undo();
    }
  }
}

/** One bit of a file that is there. */
function flip(node: ChaosNode, { place, random }: StepOf<'flip'>): void {
  const path = join(node.data, place === 'blobs' ? 'blobs/sha256' : place);
  const files = existsSync(path)
    ? statSync(path).isFile()
      ? [path]
      : readdirSync(path)
          .sort()
          .map((name) => join(path, name))
    : [];
  const file = files[Math.floor(random * files.length)];
  const size = file === undefined ? 0 : statSync(file).size;
  if (file === undefined || size === 0) return;
  flipBit(file, Math.floor(((random * 1009) % 1) * size));
}
