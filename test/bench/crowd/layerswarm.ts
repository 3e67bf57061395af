import { statSync } from 'node:fs';
import { join } from 'node:path';
import { MemberDistance } from '../../../src/swarm/exchange/core/distance.ts';
import { type Agent, makeSwarmKey, startAgent } from '../../support/layerswarm.ts';
import { fileDigest } from '../../support/oci-layout.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { cpuSecondsOf, startBusyClock } from '../cpu.ts';
import { countMarkCompacts, startMeter } from '../threads.ts';
import { downloads, killAt, startTogether } from './clients.ts';
import { type HostResult, type Stage, startOrigin, type SystemResult } from './stage.ts';

const STARTED_AT_ONCE = 4;

export interface NodeOptions {
  /** The `main.ts` of another checkout. */
  readonly main?: string;
  readonly nodeArgs?: readonly string[];
}

/** One node a host, with nothing but the swarm's key and the origin; each client pulls through its own node. */
export async function runLayerswarm(stage: Stage, options: NodeOptions = {}): Promise<SystemResult> {
  const { crowd, payload, stores, cleanup } = stage;
  const hosts = [...stage.hosts];
  const origin = await startOrigin(stage);
  const swarmKey = await makeSwarmKey(cleanup);
  const agents: Agent[] = [];
  for (let at = 0; at < hosts.length; at += STARTED_AT_ONCE) {
    agents.push(
      ...(await Promise.all(
        hosts
          .slice(at, at + STARTED_AT_ONCE)
          .map((host) =>
            startAgent(cleanup, {
              ...options,
              data: join(tempDir(cleanup, 'node', stores), 'data'),
              host,
              origin: origin.url,
              swarmKey,
              mdns: true,
            }),
          ),
      )),
    );
  }
  for (const agent of agents) await agent.waitForPeers(agents.length - 1);
  let coordinator = agents.findIndex(({ info }) => info.peerId === coordinatorOf(stage, agents));
  if (crowd.coordinator !== undefined) {
    // The node has the line of the host that it stands for from now on.
    for (const all of [hosts, agents]) swap(all, coordinator, crowd.coordinator);
    for (const i of new Set([coordinator, crowd.coordinator])) await hosts[i]!.setRate(crowd.hosts[i]!.rate);
    coordinator = crowd.coordinator;
  }

  const base = `http://127.0.0.1:5050/v2/${payload.repository}`;
  const command = downloads(
    `${base}/manifests/${payload.manifest}`,
    payload.blobs.map(({ digest }) => `${base}/blobs/${digest.toString()}`),
  );
  for (const { digest } of payload.earlier) {
    const [program, ...args] = downloads(undefined, [`${base}/blobs/${digest.toString()}`]);
    await Promise.all(hosts.map((host) => host.runOk(program!, args)));
  }
  const meter = startMeter(agents.map(({ info }) => info.pid));
  const compactsBefore = markCompactsOf(agents);
  const originCpuBefore = cpuSecondsOf([origin.registry.pid]);
  const busy = startBusyClock();
  const { runs, begin } = await startTogether(
    stage,
    hosts.map((host) => ({ host, command })),
  );
  const dies = crowd.hosts.map(({ dieAt }, i) => (i === coordinator ? crowd.coordinatorDiesAt : undefined) ?? dieAt);
  for (const [i, share] of dies.entries()) {
    if (share !== undefined)
      killAt(stage, share, begin, () => {
        agents[i]!.program.kill('SIGKILL');
      });
  }

  const ends = await Promise.all(
    runs.map(async (starting, i) => {
      const { startedAt, ended, firstBytesAt } = await starting;
      return { startedAt, endedAt: dies[i] === undefined ? await ended : undefined, firstBytesAt: firstBytesAt() };
    }),
  );
  const used = busy();
  const cost = meter();
  const markCompacts = markCompactsOf(agents) - compactsBefore;
  const originCpuSeconds = cpuSecondsOf([origin.registry.pid]) - originCpuBefore;
  const results: HostResult[] = [];
  for (const [i, { startedAt, endedAt, firstBytesAt }] of ends.entries()) {
    if (endedAt === undefined) results.push({ proven: undefined, client: undefined });
    else {
      results.push({
        proven: ((await provenAt(stage, agents[i]!)) - startedAt) / 1000,
        client: (endedAt - startedAt) / 1000,
        firstBytes: firstBytesAt === undefined ? undefined : (firstBytesAt - startedAt) / 1000,
      });
    }
  }
  const wanted = new Set(payload.blobs.map(({ digest }) => digest.toString()));
  const read = origin.registry.requests().filter(({ method, url }) => method === 'GET' && wanted.has(url.split(/[/?]/).at(-1)!));
  const originCopies = read.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0) / payload.bytes;
  return { hosts: results, originCopies, busy: used, cost, markCompacts, originCpuSeconds };
}

/** What `--trace-gc` has told on standard output. */
function markCompactsOf(agents: readonly Agent[]): number {
  return agents.reduce((sum, { program }) => sum + countMarkCompacts(program.stdout), 0);
}

/** When the last blob got its name in the store: ms since the epoch. Reads the bytes again first. */
async function provenAt({ payload }: Stage, agent: Agent): Promise<number> {
  for (const { digest } of payload.blobs) {
    if ((await fileDigest(agent.blobPath(digest.toString()))) !== digest.toString())
      throw new Error(`${agent.data} holds wrong bytes under ${digest.toString()}`);
  }
  return Math.max(...payload.blobs.map(({ digest }) => statSync(agent.blobPath(digest.toString())).ctimeMs));
}

function swap(all: unknown[], a: number, b: number): void {
  [all[a], all[b]] = [all[b], all[a]];
}

function coordinatorOf({ payload }: Stage, agents: readonly Agent[]): string {
  const largest = [...payload.blobs].sort((a, b) => b.size - a.size)[0]!;
  return new MemberDistance().rank(
    largest.digest,
    agents.map(({ info }) => info.peerId),
  )[0]!;
}
