import test from 'ava';
import { MAIN } from '../support/cli.ts';
import { startAgent } from '../support/layerswarm.ts';
import { run, runOk } from '../support/process.ts';
import { requireTool } from '../support/require-tool.ts';
import { waitFor } from '../support/wait-for.ts';

test('status --watch stays on its screen, follows what happens, and leaves the terminal as it was', async (t) => {
  if (!requireTool(t, 'tmux')) return;
  const agent = await startAgent(t, { origin: 'embedded', args: ['--name', 'node-a'] });
  const socket = `ls-test-${process.pid}`;
  const tmux = async (...args: string[]): Promise<string> => (await runOk('tmux', ['-L', socket, ...args])).stdout;
  t.teardown(async () => {
    await run('tmux', ['-L', socket, 'kill-server']);
  });
  await tmux('-f', '/dev/null', 'new-session', '-d', '-x', '80', '-y', '24', `PS1='at rest> ' sh`);
  const screen = (): Promise<string> => tmux('capture-pane', '-p');
  await waitFor('the shell', async () => (await screen()).includes('at rest>'));
  await tmux('send-keys', `LAYERSWARM_CONFIG=/dev/null ${process.execPath} ${MAIN} --data ${agent.data} status --watch`, 'Enter');
  await waitFor('the status', async () => /NODE {2}node-a/.test(await screen()));
  const member = await startAgent(t, { bootstrap: agent.info.multiaddrs.slice(0, 1), args: ['--name', 'node-b'] });
  await waitFor('the member', async () => /MEMBERS {2}1[\s\S]*node-b/.test(await screen()));
  const shown = await screen();
  t.is(shown.split('MEMBERS').length, 2, shown);
  t.true(
    shown
      .trimEnd()
      .split('\n')
      .every((line) => line.length <= 80),
  );
  t.is(Number(await tmux('display-message', '-p', '#{history_size}')), 0, 'nothing scrolled away');
  await tmux('send-keys', 'C-c');
  await waitFor('the shell', async () => (await screen()).split('at rest>').length === 3 && !(await screen()).includes('MEMBERS'));
  await member.stop();
});
