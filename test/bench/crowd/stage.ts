import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CleanupStack, type Cleanup } from '../../support/cleanup.ts';
import { type DockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { type Host, type LinkOptions, TestNetwork } from '../../support/netns.ts';
import type { Cost } from '../threads.ts';
import type { CrowdCase, System } from './crowd-case.ts';
import type { Payload } from './payload.ts';

const PORT = 5000;

/** The machines of one run of one case, and what it takes to start them together. */
export interface Stage {
  readonly crowd: CrowdCase;
  readonly payload: Payload;
  readonly network: TestNetwork;
  readonly originHost: Host;
  readonly hosts: readonly Host[];
  /** The folder in which each host keeps what it fetches. */
  readonly stores: string;
  readonly cleanup: Cleanup;
}

export interface HostResult {
  /** Seconds from its arrival; undefined for one that was killed. */
  readonly proven: number | undefined;
  readonly client: number | undefined;
  /** Until its client had some bytes: undefined where that was not seen. */
  readonly firstBytes?: number | undefined;
}

export interface SystemResult {
  readonly hosts: readonly HostResult[];
  /** Body bytes that left the origin, in copies of the payload. */
  readonly originCopies: number;
  /** Share of the machine's cores in use from the first start to the last client's end. */
  readonly busy: number;
  /** Of the programs that fetch, all hosts together, from before the first start to the last client's end; undefined where it was not taken. */
  readonly cost?: Cost;
  /** CPU seconds of the origin's server meanwhile. */
  readonly originCpuSeconds?: number;
  /** Full garbage collections meanwhile, all hosts together: counted when they are told with `--trace-gc`. */
  readonly markCompacts?: number;
}

export interface CaseResult extends SystemResult {
  readonly crowd: CrowdCase;
  readonly system: System;
  readonly payloadBytes: number;
}

/** Runs one system through one case on fresh machines, which keep what they fetch in new folders of `stores`. */
export async function onStage(
  crowd: CrowdCase,
  payload: Payload,
  play: (stage: Stage) => Promise<SystemResult>,
  stores = tmpdir(),
): Promise<SystemResult> {
  const cleanup = new CleanupStack();
  try {
    const network = await TestNetwork.create(cleanup);
    const originHost = await network.addHost('origin', line(crowd.originRate));
    const hosts: Host[] = [];
    for (const [i, { rate }] of crowd.hosts.entries()) hosts.push(await network.addHost(`host${i + 1}`, line(rate)));
    return await play({ crowd, payload, network, originHost, hosts, stores, cleanup });
  } finally {
    await cleanup.undo();
  }
}

function line(rate: number): LinkOptions {
  return Number.isFinite(rate) ? { uplink: rate, downlink: rate } : {};
}

/** The origin: Debian's docker-registry, behind a proxy that delays each answer when the case wants it far away. */
export async function startOrigin({
  crowd,
  payload,
  originHost,
  cleanup,
}: Stage): Promise<{ readonly url: string; readonly registry: DockerRegistry }> {
  const { originDelayMs } = crowd;
  if (originDelayMs === undefined) {
    const registry = await startDockerRegistry(cleanup, {
      folder: payload.folder,
      host: originHost.address,
      port: PORT,
      netns: originHost.netns,
    });
    return { url: registry.url, registry };
  }
  const registry = await startDockerRegistry(cleanup, { folder: payload.folder, port: PORT, netns: originHost.netns });
  const proxy = originHost.start(cleanup, process.execPath, [
    join(import.meta.dirname, 'delaying-proxy.ts'),
    registry.url,
    originHost.address,
    String(PORT),
    String(originDelayMs),
  ]);
  await proxy.waitForOutput(/ready/);
  return { url: `http://${originHost.address}:${PORT}`, registry };
}
