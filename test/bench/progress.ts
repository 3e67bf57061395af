import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CleanupStack } from '../support/cleanup.ts';
import { startContainerd, type Containerd } from '../support/containerd.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { TestNetwork } from '../support/netns.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';
import { makePayload } from './crowd/payload.ts';

const USAGE = `A cold crowd on slow lines, each host with a containerd of its own that pulls one layer through its node: for how long at most
containerd has no new byte of it, which is what a runtime's progress time-out looks at. As root.
  node test/bench/progress.ts [--hosts 8] [--mb 70] [--bytes-per-second 1000000]`;

const OPTIONS = {
  options: {
    hosts: { type: 'string', default: '8' },
    mb: { type: 'string', default: '70' },
    'bytes-per-second': { type: 'string', default: '1000000' },
  },
} as const;
const { hosts, size, rate } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  hosts: readNumber('--hosts', values.hosts, 1),
  size: readNumber('--mb', values.mb, 1) * 1_000_000,
  rate: readNumber('--bytes-per-second', values['bytes-per-second'], 1),
}));
const PORT = 5000;
const LOOK_MS = 100;

interface Progress {
  /** Seconds from the start of the pull. */
  readonly firstByte: number;
  readonly last: number;
  /** The longest time without a new byte, also before the first. */
  readonly longestGap: number;
}

const cleanup = new CleanupStack();
try {
  const network = await TestNetwork.create(cleanup);
  const line = { uplink: rate * 8, downlink: rate * 8 };
  const originHost = await network.addHost('origin', line);
  const { folder, repository, manifest } = await makePayload(cleanup, [size]);
  const origin = await startDockerRegistry(cleanup, { folder, host: originHost.address, port: PORT, netns: originHost.netns });
  const swarmKey = await makeSwarmKey(cleanup);
  const pulls: (() => Promise<Progress>)[] = [];
  for (let i = 0; i < hosts; i++) {
    const host = await network.addHost(`host${i + 1}`, line);
    const containerd = await startContainerd(cleanup, host.netns);
    const agent = await startAgent(cleanup, { host, origin: origin.url, swarmKey, mdns: true });
    const name = `${originHost.address}:${PORT}`;
    const hostsDir = containerd.hostsDir(agent.registry, { name, url: origin.url });
    pulls.push(() => pull(containerd, hostsDir, `${name}/${repository}:${manifest}`));
  }
  const all = await Promise.all(pulls.map(async (begin) => await begin()));
  const most = (of: (progress: Progress) => number): string => Math.max(...all.map(of)).toFixed(1);
  process.stdout.write(
    [
      `| ${hosts} containerds, ${size / 1e6} MB, ${rate / 1e6} MB/s a host | at most |`,
      '|---|---|',
      `| s until the first byte | ${most(({ firstByte }) => firstByte)} |`,
      `| s without a new byte | ${most(({ longestGap }) => longestGap)} |`,
      `| s until the last byte, all digests checked by containerd | ${most(({ last }) => last)} |`,
      `| the layer's own time on one line | ${(size / rate).toFixed(1)} |`,
      '',
    ].join('\n'),
  );

  /** As containerd's own reporter of progress: by how much of the layer it has taken in. */
  async function pull(containerd: Containerd, hostsDir: string, reference: string): Promise<Progress> {
    const begin = performance.now();
    const over = containerd.ctrOk(['content', 'fetch', '--hosts-dir', hostsDir, reference], { deadline: 600_000 }).then(() => true);
    let bytes = 0;
    let firstByte: number | undefined;
    let grewAt = begin;
    let longestGap = 0;
    const grew = (): void => {
      const now = performance.now();
      firstByte ??= now - begin;
      longestGap = Math.max(longestGap, now - grewAt);
      grewAt = now;
    };
    while (!(await Promise.race([over, delay(LOOK_MS, false)]))) {
      const taken = ingested(containerd);
      if (taken > bytes) grew();
      bytes = taken;
    }
    grew();
    return { firstByte: firstByte! / 1000, last: (performance.now() - begin) / 1000, longestGap: longestGap / 1000 };
  }
} finally {
  await cleanup.undo();
}

/** Bytes of the layer that containerd has written; 0 before it begins and after it is committed. */
function ingested({ dir }: Containerd): number {
  const folder = join(dir, 'root/io.containerd.content.v1.content/ingest');
  try {
    // The manifest and the configuration, which are small, come and go before.
    return Math.max(0, ...readdirSync(folder).map((ingest) => statSync(join(folder, ingest, 'data')).size));
  } catch {
    return 0;
  }
}
