import test from 'ava';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { run, runOk } from '../support/process.ts';
import { requireTool, toolPath } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('in a clean checkout, "npm ci && npm run demo" is all there is to do, with the Node that the machine has', async (t) => {
  if (!requireTool(t, 'npm')) return;
  t.timeout(300_000);
  const checkout = join(tempDir(t, 'clone'), 'layerswarm');
  await copySources(checkout);
  // As from a shell of the machine's user: no Node of this run, no settings of npm's from it.
  const npm = Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('npm_') || name === 'NODE_OPTIONS')
      .map((name) => [name, undefined]),
  );
  const env = {
    ...npm,
    PATH: toolPath
      .split(':')
      .filter((folder) => !folder.includes('node_modules'))
      .join(':'),
  };
  await runOk('npm', ['ci'], { cwd: checkout, env, deadline: 240_000 });
  const demo = await run('npm', ['run', 'demo'], { cwd: checkout, env });
  t.is(demo.code, 0, demo.stderr);
  t.regex(demo.stdout, /copies/i);
  const version = await runOk('npx', ['layerswarm', '--version'], { cwd: checkout, env });
  t.regex(version.stdout, /^\d+\.\d+\.\d+/);
});

/** What a clone would have, and what is about to be added to it; everything but what is made where this is no git checkout. */
async function copySources(target: string): Promise<void> {
  if (!existsSync(join(ROOT, '.git'))) {
    const made = ['node_modules', 'dist', 'test/.cache'].map((path) => join(ROOT, path));
    cpSync(ROOT, target, { recursive: true, verbatimSymlinks: true, filter: (source) => !made.includes(source) });
    return;
  }
  const { stdout } = await runOk('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of stdout.split('\0').filter((name) => name !== '' && existsSync(join(ROOT, name)))) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    // A link to a folder is listed, and copied, as the link.
    cpSync(join(ROOT, file), join(target, file), { recursive: true, verbatimSymlinks: true });
  }
}
