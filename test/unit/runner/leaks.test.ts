import test from 'ava';
import { randomBytes } from 'node:crypto';
import { findLastingLeaks, findLeaks } from '../../runner/leaks.ts';
import { startProgram } from '../../support/process.ts';
import { requireTool } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a process of the run is found by its environment, and removed', async (t) => {
  const id = `lsw${randomBytes(4).toString('hex')}`;
  const program = startProgram(t, 'sleep', ['600'], { env: { SWARM_TEST_RUN: id } });
  const leaks = findLeaks({ id, tempDir: `/nowhere/${id}` });
  t.deepEqual(
    leaks.map(({ what }) => what),
    [`process ${program.pid}: sleep 600`],
  );
  await leaks[0]!.remove();
  t.is((await program.finished).signal, 'SIGKILL');
  t.deepEqual(await findLastingLeaks({ id, tempDir: `/nowhere/${id}` }), []);
});

test('a mount, and a process that names a path of the run, are found', async (t) => {
  if (!requireTool(t, 'root')) return;
  const dir = tempDir(t, 'leaks');
  const program = startProgram(t, 'sh', ['-c', `mount -t tmpfs none ${dir} && echo mounted && exec tail -f ${dir}/../x /dev/null`]);
  await program.waitForOutput(/mounted/);
  const id = 'lsw-no-such-run';
  await program.waitFor('both', () => findLeaks({ id, tempDir: dir }).length === 2);
  const leaks = findLeaks({ id, tempDir: dir });
  t.regex(leaks[0]!.what, /^process \d+: /);
  t.is(leaks[1]!.what, `mount ${dir}`);
  for (const leak of leaks) await leak.remove();
  t.deepEqual(await findLastingLeaks({ id, tempDir: dir }), []);
});
