import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { cli } from '../../support/cli.ts';
import { run } from '../../support/process.ts';
import { requireTool } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('bash completes commands, their options and what they choose from', async (t) => {
  const script = join(tempDir(t), 'layerswarm.bash');
  writeFileSync(script, (await cli(['completion', 'bash'])).stdout);
  const complete = async (...words: string[]): Promise<string[]> => {
    const line = `source ${script}; COMP_WORDS=(layerswarm ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _layerswarm; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await run('bash', ['-c', line]);
    t.is(stderr, '');
    return stdout.split('\n').filter((word) => word !== '');
  };
  t.deepEqual(await complete('pu'), ['pull', 'purge']);
  t.deepEqual(await complete('pull', '--pl'), ['--platform']);
  t.deepEqual(await complete('setup', 'con'), ['containerd']);
  t.true((await complete('disk', '')).includes('map'));
  t.true((await complete('disk', 'map', '--tr')).includes('--trust'));
  for (const shell of ['zsh', 'fish']) t.regex((await cli(['completion', shell])).stdout, /layerswarm/);
});

test('the manual page is that of the commands, and man can show it', async (t) => {
  const { stdout } = await cli(['man']);
  t.is(stdout, readFileSync(new URL('../../../config/layerswarm.1', import.meta.url), 'utf8'), 'npm run config makes it');
  if (!requireTool(t, 'groff')) return;
  const shown = await run('groff', ['-man', '-Tascii', '-ww'], { input: stdout });
  t.is(shown.code, 0);
  t.is(shown.stderr, '');
  t.regex(shown.stdout, /doctor/);
});

test('every help has an example, and names what it takes and what it does without', async (t) => {
  const help = (await cli(['agent', '--help'])).stdout;
  t.regex(help, /--registry <host:port>/);
  t.regex(help, /default: 127\.0\.0\.1:5050/);
  t.regex(help, /--emit <which>[\s\S]*proven or vouched/);
  t.notRegex(help, /<value>|\[\]/);
  t.notRegex((await cli(['pull', '--help'])).stdout, /\[\]\)/);
  for (const command of ['pull', 'why', 'doctor', 'key']) t.regex((await cli([command, '--help'])).stdout, /Examples:\n {2}layerswarm /);
});

test('an error is the document with --json, wrong use too', async (t) => {
  for (const [args, code, is] of [
    [['status'], 'agent-unreachable', 4],
    [['peers', '--bogus'], 'usage', 2],
  ] as const) {
    const result = await cli([...args, '--json', '--data', join(tempDir(t), 'none')]);
    t.is(result.code, is);
    t.is((JSON.parse(result.stdout) as { error: { code: string } }).error.code, code);
  }
});

test('a result that cannot be written is one line', async (t) => {
  const { code, stderr } = await run('sh', ['-c', `"${process.execPath}" src/cli/main.ts version >/dev/full`]);
  t.is(code, 1);
  t.is(stderr, 'layerswarm: cannot write the result: the disk is full\n');
});

test("a folder that cannot be the agent's is no internal error", async (t) => {
  const file = join(tempDir(t), 'file');
  writeFileSync(file, '');
  const { code, stderr } = await cli(['agent', '--data', join(file, 'data')]);
  t.is(code, 2, stderr);
  t.regex(stderr, /check the owner and mode of the data folder/);
});
