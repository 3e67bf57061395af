import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MAIN } from '../../support/cli.ts';
import { agentCommand } from '../../support/layerswarm.ts';
import { startProgram } from '../../support/process.ts';
import { toolPath } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('under systemd an agent says when it is ready, and that it still turns as often as its watchdog wants', async (t) => {
  const dir = tempDir(t, 'sd');
  const said = join(dir, 'said');
  writeFileSync(join(dir, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${said}\n`, { mode: 0o755 });
  writeFileSync(said, '');
  const { args, env } = agentCommand(t, {});
  const agent = startProgram(t, process.execPath, [MAIN, ...args], {
    env: { ...env, PATH: `${dir}:${toolPath}`, NOTIFY_SOCKET: join(dir, 'socket'), WATCHDOG_USEC: '200000', WATCHDOG_PID: undefined },
  });
  await agent.waitFor('three signs of life', () => (readFileSync(said, 'utf8').match(/^WATCHDOG=1$/gm)?.length ?? 0) >= 3);
  t.regex(readFileSync(said, 'utf8'), /^--ready --status=peer 12D3\w+\nWATCHDOG=1\n/);
  t.is((await agent.stop()).code, 0);
});
