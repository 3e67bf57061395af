import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Host, TestNetwork } from '../../../support/netns.ts';
import type { NetworkNodeOptions } from '../../../support/network-node.ts';
import type { RunningProgram } from '../../../support/process.ts';
import { requireTool } from '../../../support/require-tool.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const PROGRAM = fileURLToPath(new URL('../../../support/network-node.ts', import.meta.url));

function start(t: ExecutionContext, host: Host, options: Partial<NetworkNodeOptions> = {}): RunningProgram {
  const all: NetworkNodeOptions = { dataDir: tempDir(t), key: 1, ...options };
  return host.start(t, process.execPath, [PROGRAM, JSON.stringify(all)]);
}

async function ready(node: RunningProgram): Promise<string> {
  return (await node.waitForOutput(/^ready \d+ \S+$/m)).split(' ')[2]!;
}

function joined(...peerIds: string[]): RegExp {
  return new RegExp(peerIds.map((peerId) => `(?=[^]*^joined \\d+ ${peerId}$)`).join(''), 'm');
}

test.serial('a new host is in the swarm by its key alone, and one with another key is not', async (t) => {
  if (!requireTool(t, 'root', 'ip')) return;
  const network = await TestNetwork.create(t);
  const [one, two, three] = await network.addHosts(3);
  const a = start(t, one!);
  const idA = await ready(a);
  const stranger = start(t, three!, { key: 2 });
  await ready(stranger);
  const b = start(t, two!);
  const idB = await ready(b);
  await Promise.all([b.waitForOutput(joined(idA)), a.waitForOutput(joined(idB))]);
  t.log(
    `found by multicast: ${/^joined (\d+)/m.exec(b.stdout)?.[1]} ms after the start of the process, ready after ${/^ready (\d+)/m.exec(b.stdout)?.[1]} ms`,
  );
  t.false(stranger.stdout.includes('joined'));
  await Promise.all([a.stop(), b.stop(), stranger.stop()]);
});

test.serial('a member that lost its cable is found again, and nobody needs to be started anew', async (t) => {
  if (!requireTool(t, 'root', 'ip')) return;
  const network = await TestNetwork.create(t);
  const [one, two] = await network.addHosts(2);
  const limits = { pingIntervalMs: 1000, silenceMs: 5000 };
  const [a, b] = [start(t, one!, { limits }), start(t, two!, { limits })];
  const [idA, idB] = [await ready(a), await ready(b)];
  await Promise.all([a.waitForOutput(joined(idB)), b.waitForOutput(joined(idA))]);
  await two!.setLink('down');
  await a.waitForOutput(new RegExp(`^left \\d+ ${idB}$`, 'm'));
  await two!.setLink('up');
  await a.waitForOutput(new RegExp(`^left \\d+ ${idB}$[^]*^joined \\d+ ${idB}$`, 'm'));
  t.pass();
});
