import { setTimeout as delay } from 'node:timers/promises';
import { CleanupStack } from '../support/cleanup.ts';
import { startContainerd } from '../support/containerd.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { type Host, TestNetwork } from '../support/netns.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';
import { makePayload } from './crowd/payload.ts';

const USAGE = `A cold crowd on slow lines, each host with a containerd of its own that pulls one layer through its node: for how long at most its
connection brings no new byte, which is what the progress time-out of containerd's CRI looks at (from 1.7 on). As root.
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
const LOOK_MS = 500;
/** What comes before the layer, with its headers, is less. */
const MANIFEST_BYTES = 8192;

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
  const name = `${originHost.address}:${PORT}`;
  const swarmKey = await makeSwarmKey(cleanup);
  const pulls: (() => Promise<Progress>)[] = [];
  for (let i = 0; i < hosts; i++) {
    const host = await network.addHost(`host${i + 1}`, line);
    const containerd = await startContainerd(cleanup, host.netns);
    const agent = await startAgent(cleanup, { host, origin: origin.url, swarmKey, mdns: true });
    const hostsDir = containerd.hostsDir(agent.registry, { name, url: origin.url });
    const fetched = ['content', 'fetch', '--hosts-dir', hostsDir, `${name}/${repository}:${manifest}`];
    pulls.push(() => watch(host, agent, containerd.ctrOk(fetched, { deadline: 600_000 })));
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
} finally {
  await cleanup.undo();
}

async function watch(host: Host, agent: Agent, pull: Promise<unknown>): Promise<Progress> {
  const begin = performance.now();
  const over = pull.then(() => true);
  let bytes = 0;
  let firstByte: number | undefined;
  let grewAt = begin;
  let longestGap = 0;
  const grew = (): void => {
    const now = performance.now();
    longestGap = Math.max(longestGap, now - grewAt);
    grewAt = now;
  };
  while (!(await Promise.race([over, delay(LOOK_MS, false)]))) {
    const received = await bytesReceived(host, agent);
    if (received === bytes) continue;
    bytes = received;
    grew();
    if (received > MANIFEST_BYTES) firstByte ??= performance.now() - begin;
  }
  grew();
  return {
    firstByte: (firstByte ?? performance.now() - begin) / 1000,
    last: (performance.now() - begin) / 1000,
    longestGap: longestGap / 1000,
  };
}

/** By the connections to the node's endpoint that are open. */
async function bytesReceived(host: Host, agent: Agent): Promise<number> {
  const { stdout } = await host.runOk('ss', ['-tinH', 'dport', '=', `:${new URL(agent.registry).port}`]);
  return [...stdout.matchAll(/bytes_received:(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}
