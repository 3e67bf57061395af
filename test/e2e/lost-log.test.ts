import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MAIN } from '../support/cli.ts';
import { agentCommand, type AgentInfo } from '../support/layerswarm.ts';
import { waitFor } from '../support/wait-for.ts';

test('an agent whose log nobody reads any more goes on, and keeps no core busy with saying so', async (t) => {
  const { args, env, data } = agentCommand(t, { origin: 'embedded' });
  const agent = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(agent, 'exit');
  t.teardown(() => {
    agent.kill('SIGKILL');
  });
  agent.stdout.destroy();
  agent.stderr.destroy();
  const file = join(data, 'agent.json');
  await waitFor('agent.json', () => existsSync(file) && readFileSync(file, 'utf8').endsWith('}\n'));
  const { status } = JSON.parse(readFileSync(file, 'utf8')) as AgentInfo;
  const { strayErrors } = (await (await fetch(new URL('/api/v1/status', status), { signal: AbortSignal.timeout(30_000) })).json()) as {
    strayErrors: number;
  };
  t.is(strayErrors, 0);
  agent.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});
