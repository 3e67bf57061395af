import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { Cleanup, CleanupStack } from '../support/cleanup.ts';
import { MAIN, SOURCE_MAIN } from '../support/cli.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { mountFailingDisk } from '../support/failing-disk.ts';
import { makeSwarmKey } from '../support/layerswarm.ts';
import { type Host, TestNetwork } from '../support/netns.ts';
import { tempDir } from '../support/temp-dir.ts';
import { ChaosNode } from './node.ts';
import type { OriginCommand, OriginHostOptions } from './origin-host.ts';
import type { OriginImages } from './origin-images.ts';
import type { Plan } from './plan.ts';

const ORIGIN_PORT = 5000;
const REGISTRY_PORT = 5001;
const TOKEN_PORT = 5002;
const FALSE_PORT = 5009;
const DOOR_PORT = 9999;
const SWARM_PORT = 4001;
const ROOM_MB = 700;
const LIAR = pathToFileURL(join(import.meta.dirname, 'liars/register.ts')).href;

/** The machines of a plan: an origin, nodes, and a stranger, each in a network namespace. */
export interface World {
  readonly nodes: readonly ChaosNode[];
  readonly originHost: Host;
  readonly strangerHost: Host;
  readonly images: OriginImages;
  /** Tells the origin's machine something. */
  origin(command: OriginCommand): Promise<unknown>;
  killOrigin(): Promise<void>;
  startOrigin(): Promise<void>;
}

export async function makeWorld(cleanup: CleanupStack, plan: Plan, images: OriginImages, main = MAIN): Promise<World> {
  const network = await TestNetwork.create(cleanup);
  const line = { uplink: plan.rate, downlink: plan.rate };
  const originHost = await network.addHost('origin', line);
  const strangerHost = await network.addHost('stranger', line);
  // The images are shared by all worlds, what else a registry writes is not.
  const originFolder = tempDir(cleanup, 'chaos-registry');
  symlinkSync(join(images.folder, 'data'), join(originFolder, 'data'));
  let registry: DockerRegistry | undefined;
  // One after the other: two steps may end at the same moment, each of which has killed it.
  let turn: Promise<void> = Promise.resolve();
  const inTurn = async (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    await done;
  };
  const startOrigin = (): Promise<void> =>
    inTurn(async () => {
      if (cleanup.isOver) return;
      registry ??= await startDockerRegistry(cleanup, {
        folder: originFolder,
        host: '127.0.0.1',
        port: REGISTRY_PORT,
        netns: originHost.netns,
      });
    });
  await startOrigin();
  const origin = await startOriginHost(cleanup, originHost, images, plan);
  const url = `http://${originHost.address}:${ORIGIN_PORT}`;

  const swarmKey = await makeSwarmKey(cleanup);
  const hosts = await network.addHosts(plan.nodes, line);
  const nodes: ChaosNode[] = [];
  for (const [index, host] of hosts.entries()) {
    const liar = plan.liars.find(({ node }) => node === index);
    const hasDisk = plan.steps.some((step) => step.kind.startsWith('disk-') && 'node' in step && step.node === index);
    const disk = hasDisk ? await mountFailingDisk(cleanup, ROOM_MB + Math.ceil((3 * sizeOf(plan, images)) / 2 ** 20)) : undefined;
    const query = new URLSearchParams({
      lies: liar?.lies.join(',') ?? '',
      doors: `${originHost.address}:${DOOR_PORT}`,
      digest: images.images[plan.images[0]!]!.digest,
    });
    nodes.push(
      new ChaosNode(cleanup, {
        index,
        host,
        disk,
        isLiar: liar !== undefined,
        agent: {
          data: join(disk?.path ?? tempDir(cleanup, `chaos${index}`), 'data'),
          origin:
            liar?.lies.includes('origin') === true
              ? `http://${originHost.address}:${FALSE_PORT}`
              : plan.auto.includes(index)
                ? undefined
                : url,
          swarmKey,
          bootstrap: hosts
            .filter((other) => other !== host)
            .slice(0, 3)
            .map(({ address }) => `${address}:${SWARM_PORT}`),
          nodeArgs: liar === undefined ? [] : ['--import', `${LIAR}?${query.toString()}`],
          // what a schedule that is broken is looked into with
          args: ['--log-level', 'debug'],
          // the lies are put into modules as they are loaded
          main: liar === undefined ? main : SOURCE_MAIN,
        },
      }),
    );
  }
  await Promise.all(
    nodes.map(async (node) => {
      await node.do(() => node.start());
    }),
  );
  return {
    nodes,
    originHost,
    strangerHost,
    images,
    origin,
    startOrigin,
    killOrigin: () =>
      inTurn(async () => {
        await registry?.stop();
        registry = undefined;
      }),
  };
}

function sizeOf(plan: Plan, { images }: OriginImages): number {
  return plan.images.reduce((sum, image) => sum + images[image]!.blobs.reduce((bytes, { size }) => bytes + size, 0), 0);
}

async function startOriginHost(cleanup: Cleanup, host: Host, images: OriginImages, { tokenMs }: Plan): Promise<World['origin']> {
  const control = join(tempDir(cleanup, 'origin'), 'control');
  const known = images.images.filter(({ digest }) => digest !== '');
  const options: OriginHostOptions = {
    tokens: tokenMs === undefined ? undefined : { port: TOKEN_PORT, lifetimeMs: tokenMs },
    address: host.address,
    port: ORIGIN_PORT,
    doorPort: DOOR_PORT,
    falsePort: FALSE_PORT,
    upstream: `http://127.0.0.1:${REGISTRY_PORT}`,
    control,
    // each tag means the digest of none that is there
    lies: Object.fromEntries(known.map(({ repository }, i) => [repository, known[(i + 1) % known.length]!.digest])),
  };
  const program = host.start(cleanup, process.execPath, [join(import.meta.dirname, 'origin-host.ts'), JSON.stringify(options)]);
  await program.waitForOutput(/ready/);
  const socket = connect(control);
  await once(socket, 'connect');
  // the program may end before its connection does
  socket.on('error', () => undefined);
  cleanup.teardown(() => {
    socket.destroy();
  });
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  let last: Promise<unknown> = Promise.resolve();
  return (command) => {
    last = last.then(async () => {
      socket.write(`${JSON.stringify(command)}\n`);
      return JSON.parse((await lines.next()).value ?? 'null') as unknown;
    });
    return last;
  };
}
