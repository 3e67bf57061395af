import test from 'ava';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { programEnv } from '../support/layerswarm.ts';
import { runOk } from '../support/process.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('the package as it is published holds the compiled program, and that runs', async (t) => {
  if (!requireTool(t, 'npm', 'tar')) return;
  t.timeout(300_000);
  const dir = tempDir(t, 'pack');
  const { stdout } = await runOk('npm', ['pack', '--json', '--pack-destination', dir], { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  await runOk('tar', ['-C', dir, '-xzf', join(dir, filename)]);
  const root = join(dir, 'package');
  t.false(existsSync(join(root, 'test')));
  t.false(existsSync(join(root, 'src/cli/main.ts')), 'the sources would go before the compiled program');
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: { layerswarm: string } };
  // What it depends on is what is installed here.
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const main = join(root, bin.layerswarm);
  t.regex((await runOk(process.execPath, [main, '--version'])).stdout, /^\d+\.\d+\.\d+/);
  const demo = await runOk(process.execPath, [main, 'demo', '--nodes', '2', '--json'], { env: programEnv(dir) });
  t.is((JSON.parse(demo.stdout) as { nodes: unknown[] }).nodes.length, 2);
});
