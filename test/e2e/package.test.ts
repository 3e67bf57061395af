import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { agentCommand, programEnv } from '../support/layerswarm.ts';
import { run, runOk, startProgram } from '../support/process.ts';
import { findTool, requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Where a plain user's shell looks: with the machine's own Node, whatever that is, and none of this checkout. */
const PLAIN_PATH = '/usr/local/bin:/usr/bin:/bin';

interface Context {
  stack: CleanupStack;
  /** What `npm pack` made. */
  tarball: string;
  /** As `npm install --global` left it. */
  prefix: string;
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  t.timeout(300_000);
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (findTool('npm') === undefined) return;
  const dir = tempDir(stack, 'pack');
  const { stdout } = await runOk('npm', ['pack', '--json', '--pack-destination', dir], { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  const tarball = join(dir, filename);
  const prefix = join(dir, 'prefix');
  await runOk('npm', ['install', '--global', '--prefix', prefix, '--prefer-offline', tarball], { cwd: dir, deadline: 240_000 });
  Object.assign(t.context, { tarball, prefix });
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

test.serial('the package as it is published is small, and holds the compiled program and no sources or tests', async (t) => {
  if (!requireTool(t, 'npm')) return;
  t.true(statSync(t.context.tarball).size < 3_000_000);
  const root = join(t.context.prefix, 'lib/node_modules/layerswarm');
  for (const absent of ['test', 'src/cli/main.ts', 'config/release']) t.false(existsSync(join(root, absent)), absent);
  for (const there of ['README.md', 'LICENSE', 'config/layerswarm.yaml', 'dist/cli/main.js']) t.true(existsSync(join(root, there)), there);
});

test.serial('a global installation is the program: one process with the Node that came along, its signals and its exit codes', async (t) => {
  if (!requireTool(t, 'npm')) return;
  await useAsCommand(t, join(t.context.prefix, 'bin/layerswarm'));
});

test.serial('so is a local installation, and a link to the link', async (t) => {
  if (!requireTool(t, 'npm')) return;
  const modules = localInstallation(t, t.context.prefix);
  const link = join(modules, '../anywhere');
  symlinkSync(join(modules, '.bin/layerswarm'), link);
  await useAsCommand(t, link);
});

test.serial('so is a checkout', async (t) => {
  await useAsCommand(t, join(ROOT, 'src/cli/layerswarm.sh'));
});

test.serial('without a Node that is new enough it says what to do, with exit code 2', async (t) => {
  if (!requireTool(t, 'npm')) return;
  const modules = localInstallation(t, t.context.prefix);
  for (const name of readdirSync(modules).filter((name) => name.startsWith('node-linux-'))) rmSync(join(modules, name), { recursive: true });
  const tools = tempDir(t, 'path');
  for (const tool of ['sh', 'uname', 'readlink']) symlinkSync(findTool(tool)!, join(tools, tool));
  const refused = await run(join(modules, '.bin/layerswarm'), ['--version'], { env: { PATH: tools } });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^layerswarm: needs Node 24\.12 or newer, .*\(here is no node, .*\)\n$/);
  symlinkSync(process.execPath, join(tools, 'node'));
  t.is((await runOk(join(modules, '.bin/layerswarm'), ['--version'], { env: { PATH: tools } })).code, 0, 'the Node of the machine does where none came along');
});

/** npm lays the dependencies beside the package, where it is local. */
function localInstallation(t: ExecutionContext, prefix: string): string {
  const modules = join(tempDir(t, 'local'), 'node_modules');
  const copy = join(modules, 'layerswarm');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  cpSync(join(prefix, 'lib/node_modules/layerswarm'), copy, { recursive: true, verbatimSymlinks: true });
  for (const name of readdirSync(join(copy, 'node_modules'))) if (name !== '.bin') renameSync(join(copy, 'node_modules', name), join(modules, name));
  rmSync(join(copy, 'node_modules'), { recursive: true });
  const { bin } = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8')) as { bin: { layerswarm: string } };
  symlinkSync(join('../layerswarm', bin.layerswarm), join(modules, '.bin/layerswarm'));
  return modules;
}

async function useAsCommand(t: ExecutionContext, command: string): Promise<void> {
  const { args, data, env } = agentCommand(t, {});
  const plain = { ...env, PATH: PLAIN_PATH, NODE_OPTIONS: undefined };
  t.regex((await runOk(command, ['--version'], { env: plain })).stdout, /^\d+\.\d+\.\d+\n$/);
  t.is((await run(command, ['status', '--data', data], { env: plain })).code, 4);
  t.is((await run(command, ['agent', '--registry', 'x'], { env: plain })).code, 2);
  const agent = startProgram(t, command, args, { env: plain });
  const { pid, status } = await agent.waitFor('agent.json', () => JSON.parse(readFileSync(join(data, 'agent.json'), 'utf8')) as { pid: number; status: string });
  t.is(pid, agent.pid, 'the process that was started is the agent itself');
  const script = /<script type="module" src="([^"]+)">/.exec(await (await fetch(status)).text())?.[1];
  t.regex(await (await fetch(new URL(script!, status))).text(), /from '\.\/feed\.[jt]s'/, 'the page finds its modules, compiled or not');
  t.regex(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /node-linux-\w+\/bin\/node\0/);
  const { code, signal } = await agent.stop();
  t.deepEqual([code, signal], [0, null]);
  t.false(existsSync(join(data, 'agent.json')));
}

test.serial('an installed program shows its demo', async (t) => {
  if (!requireTool(t, 'npm')) return;
  const demo = await runOk(join(t.context.prefix, 'bin/layerswarm'), ['demo', '--nodes', '2', '--json'], { env: { ...programEnv(tempDir(t)), PATH: PLAIN_PATH } });
  t.is((JSON.parse(demo.stdout) as { nodes: unknown[] }).nodes.length, 2);
});
