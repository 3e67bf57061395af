import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { openPage, startBrowser } from '../support/browser.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout, smallImage } from '../support/images.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { TestNetwork } from '../support/netns.ts';
import { metric, readiness } from '../support/observe.ts';
import { runOk } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

/** What an operator is promised; the time is from when the trouble began. */
const SEEN_WITHIN_MS = 30_000;

interface Expected {
  readonly part: string;
  readonly level: string;
  readonly sentence: RegExp;
  readonly code: number;
  readonly series: string;
  readonly value: number;
}

/** A node, with its page open. */
interface Watched {
  readonly agent: Agent;
  readonly page: Page;
}

/** Before the trouble begins: a browser takes its time to start. */
async function watch(t: ExecutionContext, agent: Agent): Promise<Watched> {
  const { page } = await openPage(await startBrowser(t, agent.host?.netns), agent.info.status, { width: 1280 });
  await page.waitForSelector('body[data-link=live]');
  return { agent, page };
}

/** Status, `/readyz`, metrics, the page and the log tell the same, in time. */
async function isSeen(
  t: ExecutionContext,
  { agent, page }: Watched,
  { part, level, sentence, code, series, value }: Expected,
): Promise<void> {
  const began = performance.now();
  const status = await agent.waitForStatus(
    `${part} to be ${level}`,
    ({ health: { parts } }) => parts[part]?.level === level && sentence.test(parts[part].sentence),
  );
  t.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${status.health.parts[part]!.sentence}`);
  const ready = await readiness(agent);
  t.is(ready.code, code);
  // figures in it go on changing
  t.regex(ready.parts[part]!.sentence, sentence);
  t.is(await metric(agent, series), value);
  t.is(await metric(agent, `layerswarm_health{part="${part}",level="${level}"}`), 1);
  if (level !== 'ok') t.true(agent.program.stderr.includes(`health: ${part} ${level}:`), agent.program.stderr);
  // what is well is not told part by part
  if (level !== 'ok' || part === 'members') {
    await page.waitForFunction(
      (pattern) => ['health', 'troubles'].some((id) => new RegExp(pattern).test(document.getElementById(id)?.textContent ?? '')),
      sentence.source,
      { timeout: SEEN_WITHIN_MS },
    );
    t.log(`${((performance.now() - began) / 1000).toFixed(1)} s: on the page, too`);
    t.regex((await agent.cliOk(['status'])).stdout.replaceAll(/\s+/g, ' '), sentence);
  }
  t.true(performance.now() - began < SEEN_WITHIN_MS, `seen after ${Math.round(performance.now() - began)} ms`);
}

test('an origin that refuses connections, and one that was never there', async (t) => {
  if (!requireTool(t, 'chromium', 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  const agent = await watch(t, await startAgent(t, { origin: origin.url }));
  await isSeen(t, agent, { part: 'origin', level: 'ok', sentence: /answers/, code: 200, series: 'layerswarm_ready', value: 1 });
  await origin.stop();
  await isSeen(t, agent, {
    part: 'origin',
    level: 'bad',
    sentence: /is unreachable: .*connection refused/,
    code: 200,
    series: `layerswarm_origin_up{registry="${origin.host}"}`,
    value: 0,
  });
  const late = await startAgent(t, { origin: origin.url });
  await isSeen(t, await watch(t, late), {
    part: 'origin',
    level: 'bad',
    sentence: /was not reached since this node started: .*connection refused/,
    code: 503,
    series: 'layerswarm_ready',
    value: 0,
  });
  await startDockerRegistry(t, { folder: origin.folder, port: origin.port });
  await late.waitForStatus('the origin', ({ health }) => health.parts['origin']?.level === 'ok' && health.ready);
});

test('an origin that a firewall swallows', async (t) => {
  if (!requireTool(t, 'root', 'chromium', 'ip', 'nsenter', 'docker-registry', 'skopeo')) return;
  const layout = await smallImage(t);
  const network = await TestNetwork.create(t);
  const originHost = await network.addHost('origin');
  const origin = await startDockerRegistry(t, { host: originHost.address, port: 5000, netns: originHost.netns });
  await originHost.runOk('skopeo', [
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    `oci:${layout.dir}:v1`,
    `docker://${origin.host}/team/app:v1`,
  ]);
  const host = await network.addHost('node');
  const agent = await startAgent(t, { host, origin: origin.url, args: ['--open'] });
  await agent.cliOk(['pull', 'team/app:v1']);
  const watched = await watch(t, agent);
  // Every packet to it arrives, and none is answered: its address is another one now.
  const [{ address: ether }] = JSON.parse((await originHost.runOk('ip', ['-j', 'link', 'show', 'eth0'])).stdout) as [{ address: string }];
  await host.runOk('ip', ['neigh', 'replace', originHost.address, 'lladdr', ether, 'dev', 'eth0', 'nud', 'permanent']);
  await originHost.runOk('ip', ['address', 'flush', 'dev', 'eth0']);
  await isSeen(t, watched, {
    part: 'origin',
    level: 'bad',
    sentence: /is unreachable: .*(did not answer in time|does not answer)/,
    code: 200,
    series: `layerswarm_origin_up{registry="${origin.host}"}`,
    value: 0,
  });
});

test('a wrong swarm key, on the node that has it and on a member', async (t) => {
  if (!requireTool(t, 'chromium', 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  await pushLayout(origin, await smallImage(t), 'v1', 'team/app');
  const swarmKey = await makeSwarmKey(t);
  const member = await startAgent(t, { swarmKey, origin: origin.url, args: ['--name', 'node-a'] });
  const other = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(member), args: ['--name', 'node-b'] });
  await other.waitForPeers(1);
  t.regex((await member.cliOk(['peers'])).stdout, /node-b/);
  const wrong = await startAgent(t, { swarmKey: await makeSwarmKey(t), origin: origin.url, bootstrap: bootstrapOf(member) });
  await isSeen(t, await watch(t, wrong), {
    part: 'members',
    level: 'bad',
    sentence: /no member is connected: a node at 127\.0\.0\.1 has another swarm key/,
    code: 200,
    series: 'layerswarm_peers',
    value: 0,
  });
  await isSeen(t, await watch(t, member), {
    part: 'members',
    level: 'ok',
    sentence: /1 member is connected; a node at 127\.0\.0\.1 has another swarm key/,
    code: 200,
    series: 'layerswarm_peers',
    value: 1,
  });
  await pullEverything(wrong.registry, 'team/app', 'v1');
  for (const node of [wrong, member]) {
    const {
      membership: { keyIds, handshakeFailures, strangers },
    } = await node.status();
    t.is(strangers.length, 1);
    t.true(handshakeFailures['other_key']! > 0);
    t.true((await metric(node, 'layerswarm_handshake_failures_total{reason="other_key"}'))! > 0);
    t.is(await metric(node, `layerswarm_swarm_key_info{key="${keyIds[0]!}"}`), 1);
    t.regex(node.program.stderr, new RegExp(`ready .*key=${keyIds[0]!}`));
    t.is(
      node.program.stderr.split(`network: a node at 127.0.0.1 has another swarm key than this one (${keyIds[0]!})`).length,
      2,
      'said once',
    );
  }
});

test('a data disk below its reserve', async (t) => {
  if (!requireTool(t, 'root', 'chromium', 'fallocate')) return;
  const disk = join(tempDir(t, 'disk'), 'd');
  mkdirSync(disk);
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=700m', 'none', disk]);
  t.teardown(async () => {
    await runOk('umount', ['-l', disk]);
  });
  const agent = await watch(t, await startAgent(t, { data: join(disk, 'data'), origin: 'embedded' }));
  await isSeen(t, agent, {
    part: 'store',
    level: 'ok',
    sentence: /has (6\d\d|700) MiB free/,
    code: 200,
    series: 'layerswarm_ready',
    value: 1,
  });
  const ballast = join(disk, 'ballast');
  await runOk('fallocate', ['-l', '500M', ballast]);
  await isSeen(t, agent, {
    part: 'store',
    level: 'bad',
    sentence: /below the reserve of 256 MiB/,
    code: 200,
    series: 'layerswarm_store_reserve_bytes',
    value: 2 ** 28,
  });
  rmSync(ballast);
  await isSeen(t, agent, {
    part: 'store',
    level: 'ok',
    sentence: /has (6\d\d|700) MiB free/,
    code: 200,
    series: 'layerswarm_store_reserve_bytes',
    value: 2 ** 28,
  });
});

for (const [among, holders] of [
  ['two members', ['node-a', 'node-c']],
  ['one member', ['node-c']],
] as const) {
  test(`a slow host, where ${among} can be asked`, async (t) => {
    if (!requireTool(t, 'chromium', 'docker-registry')) return;
    const origin = await startDockerRegistry(t);
    await pushImage(origin, 'team/app', 'v1', [randomBytes(4_000_000)]);
    const swarmKey = await makeSwarmKey(t);
    const started: Agent[] = [];
    for (const name of [...holders, 'node-d']) {
      const agent = await startAgent(t, {
        origin: origin.url,
        swarmKey,
        bootstrap: bootstrapOf(...started),
        args: ['--name', name, ...(name === 'node-c' ? ['--limits-upload', '40kB/s'] : [])],
      });
      await agent.waitForPeers(started.length);
      if (name !== 'node-d') await agent.cliOk(['pull', 'team/app:v1']);
      started.push(agent);
    }
    const agent = started.at(-1)!;
    const watched = await watch(t, agent);
    // it need not end: the host is named while it keeps the pull waiting
    const pull = agent.cli(['pull', 'team/app:v1']);
    await isSeen(t, watched, {
      part: 'members',
      level: 'ok',
      sentence: /node-c is slow: it gives \S+ [KM]?i?B\/s/,
      code: 200,
      series: 'layerswarm_slow_peers',
      value: 1,
    });
    await agent.stop();
    await pull;
  });
}

test('a slow host', async (t) => {
  if (!requireTool(t, 'chromium', 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  await pushImage(origin, 'team/app', 'v1', [randomBytes(24_000_000)]);
  const swarmKey = await makeSwarmKey(t);
  const holders: Agent[] = [];
  for (const [name, args] of [
    ['node-a', []],
    ['node-b', []],
    ['node-c', ['--limits-upload', '50kB/s']],
  ] as const) {
    const holder = await startAgent(t, {
      origin: origin.url,
      swarmKey,
      bootstrap: bootstrapOf(...holders),
      args: ['--name', name, ...args],
    });
    await holder.waitForPeers(holders.length);
    await holder.cliOk(['pull', 'team/app:v1']);
    holders.push(holder);
  }
  const agent = await startAgent(t, { origin: origin.url, swarmKey, bootstrap: bootstrapOf(...holders), args: ['--name', 'node-d'] });
  await agent.waitForPeers(3);
  const watched = await watch(t, agent);
  await agent.cliOk(['pull', 'team/app:v1']);
  await isSeen(t, watched, {
    part: 'members',
    level: 'ok',
    sentence: /3 members are connected; node-c is slow: it gives \S+ [KM]?i?B\/s where others give/,
    code: 200,
    series: 'layerswarm_slow_peers',
    value: 1,
  });
});
