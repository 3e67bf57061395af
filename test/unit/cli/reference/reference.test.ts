import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { commandTree, everyCommand } from '../../../../src/cli/reference/command-tree.ts';
import { completionScript } from '../../../../src/cli/reference/completion.ts';
import { manualPage } from '../../../../src/cli/reference/manual.ts';
import { cli } from '../../../support/cli.ts';
import { runOk } from '../../../support/process.ts';
import { requireTool } from '../../../support/require-tool.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const LINES: readonly (readonly [words: readonly string[], completed: readonly string[]])[] = [
  [['sta'], ['status']],
  [['setup', 'pod'], ['podman']],
  [['--json', 'disk', 'un'], ['unmount']],
  [['pull', '--dry'], ['--dry-run']],
  [['convert', '--compression', ''], ['gzip', 'zstd', 'none']],
  [['key', '--js'], ['--json']],
];

for (const [words, completed] of LINES) {
  test(`bash completes "${words.join(' ')}"`, async (t) => {
    const script = completionScript('bash', await commandTree());
    const { stdout } = await runOk('bash', ['-c', `${script}\nCOMP_WORDS=(layerswarm "$@"); COMP_CWORD=$#; _layerswarm; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', ...words]);
    t.deepEqual(stdout.trim().split('\n'), completed);
  });

  test(`fish completes "${words.join(' ')}"`, async (t) => {
    if (!requireTool(t, 'fish')) return;
    const home = tempDir(t, 'fish');
    const file = join(home, 'layerswarm.fish');
    writeFileSync(file, completionScript('fish', await commandTree()));
    const { stdout } = await runOk('fish', ['--no-config', '-c', `source ${file}; complete -C "layerswarm ${words.join(' ')}"`], { env: { HOME: home } });
    const found = stdout.trim().split('\n').map((line) => line.split('\t')[0]!);
    t.deepEqual(found.sort(), [...completed].sort());
  });
}

test('zsh takes the script, and completes with it', async (t) => {
  if (!requireTool(t, 'zsh')) return;
  const home = tempDir(t, 'zsh');
  writeFileSync(join(home, '_layerswarm'), (await cli(['completion', 'zsh'])).stdout);
  // what it would offer, without a terminal
  const { stdout } = await runOk('zsh', ['-f', '-c', `autoload -Uz compinit; fpath=(${home} $fpath); compinit -D -u; functions[_describe]='print -l -- "\${(@P)4}"'; functions[_files]='print files'; words=(layerswarm setup ''); CURRENT=3; _layerswarm; words=(layerswarm key ''); _layerswarm`], { env: { HOME: home } });
  t.regex(stdout, /^containerd:[^]*podman:[^]*\nfiles\n$/);
});

test('the manual has every command and option, and man takes it without a warning', async (t) => {
  const tree = await commandTree();
  const page = manualPage(tree, '2026-01-01');
  for (const { path, options } of everyCommand(tree)) {
    t.true(page.includes(path.join(' ')), path.join(' '));
    for (const { flags } of options) t.true(page.includes(flags.replaceAll('-', '\\-')), flags);
  }
  if (!requireTool(t, 'man')) return;
  const file = join(tempDir(t), 'layerswarm.1');
  writeFileSync(file, page);
  t.is((await runOk('man', ['--warnings', '--local-file', '--encoding=UTF-8', '-Tutf8', '-Z', file], { env: { MANWIDTH: '80', MANROFFSEQ: '', LC_ALL: 'C.UTF-8' } })).stderr, '');
});

test('version says what it runs on', async (t) => {
  t.regex((await cli(['version'])).stdout, /^layerswarm \d+\.\d+\.\d+ \(Node 24\.\d+\.\d+, linux\/\w+\)\n$/);
  t.like(JSON.parse((await cli(['version', '--json'])).stdout), { node: process.versions.node });
});
