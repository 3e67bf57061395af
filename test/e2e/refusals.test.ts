import test, { type ExecutionContext } from 'ava';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout, smallImage } from '../support/images.ts';
import { agentCommand, type AgentOptions, layerswarm, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { MAIN } from '../support/cli.ts';
import { type Finished, run, runOk } from '../support/process.ts';
import { pullEverything } from '../support/registry-client.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

/** One line on stderr that says what is wrong, nothing on stdout, the right exit code. */
function refused(t: ExecutionContext, { code, stdout, stderr }: Finished, expected: { code: number; says: RegExp }): void {
  t.is(code, expected.code, stderr);
  t.is(stdout, '');
  t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  t.regex(stderr, expected.says);
  t.notRegex(stderr, /\bat .*\.ts:\d+|\[object |undefined/);
}

/** Starts an agent that must refuse to. */
function refusedAgent(t: ExecutionContext, options: AgentOptions): Promise<Finished> {
  const { args, env } = agentCommand(t, options);
  return run(process.execPath, [MAIN, ...args], { env, deadline: 60_000 });
}

async function takenPort(t: ExecutionContext): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test('an agent without a key does not listen on a network address', async (t) => {
  refused(t, await refusedAgent(t, { args: ['--listen', '/ip4/0.0.0.0/tcp/0'] }), { code: 2, says: /key|open/ });
});

test('a swarm key file that holds no key is refused', async (t) => {
  const file = join(tempDir(t), 'key');
  writeFileSync(file, 'correct horse battery staple\n', { mode: 0o600 });
  refused(t, await refusedAgent(t, { swarmKey: file }), { code: 2, says: /key/ });
  refused(t, await refusedAgent(t, { swarmKey: join(file, '../none') }), { code: 2, says: /key/ });
});

test('the key command never overwrites a file', async (t) => {
  const file = await makeSwarmKey(t);
  const before = readFileSync(file);
  refused(t, await layerswarm(['key', file]), { code: 2, says: /exist|already|overwrit/ });
  t.deepEqual(readFileSync(file), before);
});

for (const flag of ['registry', 'status', 'bulk'] as const) {
  test(`a taken ${flag} port is named`, async (t) => {
    const port = await takenPort(t);
    refused(t, await refusedAgent(t, { args: [`--${flag}`, `127.0.0.1:${port}`] }), { code: 2, says: new RegExp(String(port)) });
  });
}

test('a taken listen port is named', async (t) => {
  const port = await takenPort(t);
  refused(t, await refusedAgent(t, { args: ['--listen', `/ip4/127.0.0.1/tcp/${port}`] }), { code: 2, says: new RegExp(String(port)) });
});

test('a data folder that another agent uses is refused, and the other goes on', async (t) => {
  const agent = await startAgent(t, { origin: 'embedded' });
  await pushLayout({ url: agent.registry }, await smallImage(t), 'v1', 'team/app');
  refused(t, await refusedAgent(t, { data: agent.data }), { code: 2, says: /another|use|lock/ });
  t.true((await pullEverything(agent.registry, 'team/app', 'v1')) > 0);
  t.is((await agent.status()).peerId, agent.info.peerId);
});

test('a data folder of a newer format is refused and left as it is', async (t) => {
  const agent = await startAgent(t);
  await agent.stop();
  const format = join(agent.data, 'format');
  writeFileSync(format, readFileSync(format, 'utf8').replace(/\d+/, '999'));
  const before = readFileSync(format);
  refused(t, await refusedAgent(t, { data: agent.data }), { code: 2, says: /newer|version|format/ });
  t.deepEqual(readFileSync(format), before);
});

test('a data folder where no folder can be made is refused', async (t) => {
  refused(t, await refusedAgent(t, { data: '/proc/layerswarm/data' }), { code: 2, says: /\/proc\/layerswarm/ });
});

test('a data folder that cannot be written is refused', async (t) => {
  if (!requireTool(t, 'root')) return;
  const dir = tempDir(t);
  const mount = join(dir, 'ro');
  mkdirSync(mount);
  await runOk('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', mount]);
  t.teardown(async () => {
    await runOk('umount', [mount]);
    rmSync(mount, { recursive: true, force: true });
  });
  refused(t, await refusedAgent(t, { data: join(mount, 'data') }), { code: 2, says: /read-only|EROFS|writ/ });
});

test('a configuration with a mistake is refused with its key, what was expected and what it is', async (t) => {
  const file = join(tempDir(t), 'layerswarm.yaml');
  writeFileSync(file, 'registry: not-an-address\n');
  refused(t, await layerswarm(['--config', file, 'agent', '--data', join(file, '../data')]), {
    code: 2,
    says: /registry.*HOST:PORT.*not-an-address/,
  });
  writeFileSync(file, 'regsitry: 127.0.0.1:0\n');
  refused(t, await layerswarm(['--config', file, 'agent', '--data', join(file, '../data')]), { code: 2, says: /regsitry/ });
});

test('a command without an agent says how to start one', async (t) => {
  const data = join(tempDir(t), 'data');
  for (const command of [['status'], ['peers'], ['images'], ['transfers'], ['pull', 'team/app:v1']]) {
    refused(t, await layerswarm(['--data', data, ...command]), { code: 4, says: /agent/ });
  }
});

test('an unknown command and an unknown option are wrong use', async (t) => {
  refused(t, await layerswarm(['conjure']), { code: 2, says: /conjure/ });
  refused(t, await layerswarm(['status', '--conjure']), { code: 2, says: /--conjure/ });
});

test('a pull of a malformed reference, of what is not there, and of an unreachable or unauthorised origin', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  await pushLayout(origin, await smallImage(t), 'v1', 'team/app');
  const agent = await startAgent(t, { origin: origin.url });
  refused(t, await agent.cli(['pull', 'Team//App:v1']), { code: 2, says: /Team\/\/App/ });
  refused(t, await agent.cli(['pull', 'team/app:v2']), { code: 3, says: /team\/app:v2|v2/ });
  refused(t, await agent.cli(['pull', 'team/none:v1']), { code: 3, says: /team\/none/ });
  refused(t, await agent.cli(['pull', `team/app@sha256:${'0'.repeat(64)}`]), { code: 3, says: /0000/ });
  await origin.stop();
  refused(t, await agent.cli(['pull', 'team/other:v1']), { code: 1, says: /origin|unreachable|ECONNREFUSED/ });

  const locked = await startDockerRegistry(t, { basicAuth: true });
  const outside = await startAgent(t, { origin: locked.url });
  refused(t, await outside.cli(['pull', 'team/app:v1']), { code: 1, says: /credential|unauthori[sz]ed|401/i });
  const nowhere = await startAgent(t);
  refused(t, await nowhere.cli(['pull', 'team/app:v1']), { code: 1, says: /origin/ });
});

test('the agent stops cleanly on SIGTERM and SIGINT, and takes its agent.json with it', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const agent = await startAgent(t);
    agent.program.kill(signal);
    const { code } = await agent.program.finished;
    t.is(code, 0);
    t.throws(() => readFileSync(join(agent.data, 'agent.json')), { code: 'ENOENT' });
  }
});

test('with --json, an answer is one document on stdout, and so is an error', async (t) => {
  const agent = await startAgent(t, { origin: 'embedded' });
  await pushLayout({ url: agent.registry }, await smallImage(t), 'v1', 'team/app');
  for (const command of [['status'], ['peers'], ['images'], ['transfers'], ['pull', 'team/app:v1'], ['verify']]) {
    await t.notThrowsAsync(agent.cliJson(command), command.join(' '));
  }
  const { code, stdout } = await agent.cli(['--json', 'pull', 'team/none:v1']);
  t.is(code, 3);
  t.like(JSON.parse(stdout), { error: { code: 'not-found' } });
});
