import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Digest } from '../../../src/oci/digest.ts';
import { CleanupStack, type Cleanup } from '../../support/cleanup.ts';
import { type DockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { type Host, TestNetwork } from '../../support/netns.ts';
import { pushImage } from '../../support/registry-content.ts';
import { tempDir } from '../../support/temp-dir.ts';
import type { CrowdCase, System } from './crowd-case.ts';

const PORT = 5000;
const SMALLEST_LAYER = 10_000;
const LARGEST_LAYER = 60_000_000;
const BLOB_BYTES = 64_000_000;

/** An image that lies ready in the folder of a docker-registry. */
export interface Payload {
  readonly folder: string;
  readonly repository: string;
  readonly manifest: string;
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[];
  /** Of all blobs. */
  readonly bytes: number;
}

/** The machines of one run of one case, and what it takes to start them together. */
export interface Stage {
  readonly crowd: CrowdCase;
  readonly payload: Payload;
  readonly network: TestNetwork;
  readonly originHost: Host;
  readonly hosts: readonly Host[];
  readonly cleanup: Cleanup;
}

export interface HostResult {
  /** Seconds from its arrival; undefined for one that was killed. */
  readonly proven: number | undefined;
  readonly client: number | undefined;
}

export interface SystemResult {
  readonly hosts: readonly HostResult[];
  /** Body bytes that left the origin, in copies of the payload. */
  readonly originCopies: number;
  /** Share of the machine's cores in use from the first start to the last client's end. */
  readonly busy: number;
  /** Of the programs that fetch, all hosts together; undefined where it was not taken. */
  readonly cpuSeconds?: number;
}

export interface CaseResult extends SystemResult {
  readonly crowd: CrowdCase;
  readonly system: System;
  readonly payloadBytes: number;
}

export async function makePayload(cleanup: Cleanup, kind: CrowdCase['payload']): Promise<Payload> {
  const folder = tempDir(cleanup, 'payload');
  const steps = kind === 'blob' ? 1 : 12;
  const sizes = kind === 'blob' ? [BLOB_BYTES] : Array.from({ length: steps }, (_, i) => Math.round(SMALLEST_LAYER * (LARGEST_LAYER / SMALLEST_LAYER) ** (i / (steps - 1))));
  const making = new CleanupStack();
  try {
    const registry = await startDockerRegistry(making, { folder });
    const repository = `bench/${kind}`;
    const image = await pushImage(registry, repository, 'v1', sizes.map((size) => randomBytes(size)));
    const blobs = [image.config, ...image.layers].map(({ digest, bytes }) => ({ digest, size: bytes.length }));
    return { folder, repository, manifest: 'v1', blobs, bytes: blobs.reduce((sum, { size }) => sum + size, 0) };
  } finally {
    await making.undo();
  }
}

/** Runs one system through one case on fresh machines. */
export async function onStage(crowd: CrowdCase, system: System, payload: Payload, play: (stage: Stage) => Promise<SystemResult>): Promise<CaseResult> {
  const cleanup = new CleanupStack();
  try {
    const network = await TestNetwork.create(cleanup);
    const originHost = await network.addHost('origin', { uplink: crowd.originRate, downlink: crowd.originRate });
    const hosts: Host[] = [];
    for (const [i, { rate }] of crowd.hosts.entries()) hosts.push(await network.addHost(`host${i + 1}`, { uplink: rate, downlink: rate }));
    const result = await play({ crowd, payload, network, originHost, hosts, cleanup });
    return { ...result, crowd, system, payloadBytes: payload.bytes };
  } finally {
    await cleanup.undo();
  }
}

/** The origin: Debian's docker-registry, behind a proxy that delays each answer when the case wants it far away. */
export async function startOrigin({ crowd, payload, originHost, cleanup }: Stage): Promise<{ readonly url: string; readonly registry: DockerRegistry }> {
  const { originDelayMs } = crowd;
  if (originDelayMs === undefined) {
    const registry = await startDockerRegistry(cleanup, { folder: payload.folder, host: originHost.address, port: PORT, netns: originHost.netns });
    return { url: registry.url, registry };
  }
  const registry = await startDockerRegistry(cleanup, { folder: payload.folder, port: PORT, netns: originHost.netns });
  const proxy = originHost.start(cleanup, process.execPath, [join(import.meta.dirname, 'delaying-proxy.ts'), registry.url, originHost.address, String(PORT), String(originDelayMs)]);
  await proxy.waitForOutput(/ready/);
  return { url: `http://${originHost.address}:${PORT}`, registry };
}
