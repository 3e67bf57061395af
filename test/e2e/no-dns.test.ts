import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { type Host, TestNetwork } from '../support/netns.ts';
import type { RunningProgram } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 1 << 20;
const NAME = 'registry.example';
const SERVER = join(import.meta.dirname, '../support/dns-server.ts');
const IMAGES = { held: MIB, long: 16 * MIB, next: 2 * MIB, late: 2 * MIB };

/** Takes the place of the name server that this machine's configuration names. */
async function startNameServers(
  t: ExecutionContext,
  network: TestNetwork,
  hosts: readonly Host[],
  address: string,
): Promise<RunningProgram[]> {
  const [, server = '127.0.0.1'] = /^nameserver\s+([\d.]+)/m.exec(readFileSync('/etc/resolv.conf', 'utf8')) ?? [];
  const isLocal = server.startsWith('127.');
  const places = isLocal ? hosts : [await network.addHost('names')];
  if (!isLocal) await places[0]!.runOk('ip', ['address', 'add', `${server}/32`, 'dev', 'eth0']);
  const programs = places.map((host) => host.start(t, process.execPath, [SERVER, server, NAME, address]));
  await Promise.all(programs.map((program) => program.waitForOutput(/ready/)));
  return programs;
}

/** A folder for a registry that has the images. */
async function content(t: ExecutionContext): Promise<string> {
  const folder = tempDir(t, 'content');
  const pushing = new CleanupStack();
  try {
    const registry = await startDockerRegistry(pushing, { folder });
    for (const [name, size] of Object.entries(IMAGES)) await pushImage(registry, `team/${name}`, 'v1', [randomBytes(size)]);
  } finally {
    await pushing.undo();
  }
  return folder;
}

test('a name server that falls silent, in the middle of a pull or before one, costs nothing that is here, that members have or that is on its way', async (t) => {
  if (!requireTool(t, 'root', 'ip', 'nsenter', 'tc', 'docker-registry')) return;
  t.timeout(300_000);
  const folder = await content(t);
  const network = await TestNetwork.create(t);
  const originHost = await network.addHost('origin', { uplink: 30_000_000, downlink: 1e9 });
  await startDockerRegistry(t, { folder, host: originHost.address, port: 5000, netns: originHost.netns });
  const [one, two] = (await network.addHosts(2)) as [Host, Host];
  const names = await startNameServers(t, network, [one, two], originHost.address);
  const tellNames = (signal: 'SIGSTOP' | 'SIGCONT'): void => {
    for (const server of names) server.kill(signal);
  };
  const options = { origin: `http://${NAME}:5000`, swarmKey: await makeSwarmKey(t) };

  const agent = await startAgent(t, { ...options, host: one });
  await agent.cliOk(['pull', 'team/held:v1']);
  const pulling = agent.cli(['pull', 'team/long:v1']);
  await agent.waitForStatus('some of it', ({ transfers }) => transfers.some(({ haveBytes }) => haveBytes > MIB));
  tellNames('SIGSTOP');
  const pulled = await pulling;
  t.is(pulled.code, 0, `in the middle: ${pulled.stderr}`);
  await agent.cliOk(['pull', 'team/held:v1']);
  // where its registry is was known, and that is where it is looked for
  const next = await agent.cli(['pull', 'team/next:v1']);
  t.is(next.code, 0, `after it: ${next.stderr}`);

  const late = await startAgent(t, { ...options, host: two, bootstrap: [`${one.address}:4001`] });
  await late.waitForPeers(1);
  await late.cliOk(['pull', 'team/held:v1']);
  await late.waitForStatus('the origin to be away', ({ health: { parts } }) => parts['origin']!.level === 'bad');
  const nowhere = await late.cli(['pull', 'team/late:v1']);
  t.not(nowhere.code, 0);
  t.regex(nowhere.stderr, /name server does not answer|cannot be resolved|does not answer|did not answer/);
  tellNames('SIGCONT');
  await late.waitForStatus('the origin', ({ health: { parts } }) => parts['origin']!.level === 'ok');
  // that the origin did not say what a tag means is remembered for some seconds
  await waitFor('the pull', async () => (await late.cli(['pull', 'team/late:v1'])).code === 0, { interval: 500 });
  for (const { program } of [agent, late]) t.is(program.exit, undefined, program.stderr);
});
