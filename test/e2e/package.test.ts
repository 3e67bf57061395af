import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { requireConversion } from '../support/conversion.ts';
import { makeFileSystem } from '../support/disk-image.ts';
import { makeGuestTree } from '../support/guest-tree.ts';
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

test.serial(
  'a global installation is the program: one process with the Node that came along, its signals and its exit codes',
  async (t) => {
    if (!requireTool(t, 'npm')) return;
    await useAsCommand(t, join(t.context.prefix, 'bin/layerswarm'));
  },
);

test.serial('a command that asks an agent loads as little of Node as it can, and so does an agent', async (t) => {
  if (!requireTool(t, 'npm')) return;
  const main = join(t.context.prefix, 'lib/node_modules/layerswarm/dist/cli/main.js');
  const telling = join(ROOT, 'test/support/tell-undici.ts');
  const { code, stderr } = await run(process.execPath, ['--import', telling, main, 'status', '--data', join(tempDir(t), 'none')]);
  t.is(code, 4);
  t.notRegex(stderr, /undici/);
  const free = ['--registry', '--status', '--bulk'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const args = ['--data', join(tempDir(t), 'data'), '--listen', '/ip4/127.0.0.1/tcp/0', ...free, '--origin', 'embedded'];
  const agent = startProgram(t, process.execPath, ['--import', telling, main, 'agent', ...args]);
  await agent.waitForOutput(/ ready /);
  t.notRegex((await agent.stop()).stderr, /undici/);
  t.regex((await runOk(process.execPath, ['--import', telling, '-e', 'import("node:http")'])).stderr, /undici/, 'it would be told');
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
  for (const name of readdirSync(modules).filter((name) => name.startsWith('node-linux-')))
    rmSync(join(modules, name), { recursive: true });
  const tools = tempDir(t, 'path');
  for (const tool of ['sh', 'uname', 'readlink']) symlinkSync(findTool(tool)!, join(tools, tool));
  const refused = await run(join(modules, '.bin/layerswarm'), ['--version'], { env: { PATH: tools } });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^layerswarm: needs Node 24\.12 or newer, .*\(here is no node, .*\)\n$/);
  symlinkSync(process.execPath, join(tools, 'node'));
  t.is(
    (await runOk(join(modules, '.bin/layerswarm'), ['--version'], { env: { PATH: tools } })).code,
    0,
    'the Node of the machine does where none came along',
  );
});

/** npm lays the dependencies beside the package, where it is local. */
function localInstallation(t: ExecutionContext, prefix: string): string {
  const modules = join(tempDir(t, 'local'), 'node_modules');
  const copy = join(modules, 'layerswarm');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  cpSync(join(prefix, 'lib/node_modules/layerswarm'), copy, { recursive: true, verbatimSymlinks: true });
  for (const name of readdirSync(join(copy, 'node_modules')))
    if (name !== '.bin') renameSync(join(copy, 'node_modules', name), join(modules, name));
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
  const { pid, status } = await agent.waitFor(
    'agent.json',
    () => JSON.parse(readFileSync(join(data, 'agent.json'), 'utf8')) as { pid: number; status: string },
  );
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
  const demo = await runOk(join(t.context.prefix, 'bin/layerswarm'), ['demo', '--nodes', '2', '--json'], {
    env: { ...programEnv(tempDir(t)), PATH: PLAIN_PATH },
  });
  t.is((JSON.parse(demo.stdout) as { nodes: unknown[] }).nodes.length, 2);
});

/** The code of docs/library.md, by the entry that its section is about. */
function examples(): Map<string, string> {
  const sections = readFileSync(join(ROOT, 'docs/library.md'), 'utf8').split(/^## /m).slice(1);
  return new Map(sections.map((section) => [/^`layerswarm\/([\w-]+)`/.exec(section)![1]!, /^```ts\n(.*?)^```$/ms.exec(section)![1]!]));
}

test.serial(
  'the examples of the library pass the compiler against the installed package, run, and say what their comments say',
  async (t) => {
    if (!requireConversion(t, 'npm')) return;
    t.timeout(300_000);
    const modules = localInstallation(t, t.context.prefix);
    const dir = join(modules, '..');
    const { exports } = JSON.parse(readFileSync(join(modules, 'layerswarm/package.json'), 'utf8')) as { exports: Record<string, string> };
    const code = examples();
    t.deepEqual(
      [...code.keys()].map((entry) => `./${entry}`),
      Object.keys(exports).filter((entry) => entry !== './package.json'),
      'one example an entry',
    );
    for (const [entry, text] of code) writeFileSync(join(dir, `${entry}.ts`), text);
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ type: 'module' }));
    // what a TypeScript project has beside it
    mkdirSync(join(modules, '@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types'])
      if (!existsSync(join(modules, name))) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    writeFileSync(
      join(dir, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { target: 'es2024', lib: ['esnext'], module: 'nodenext', types: ['node'], strict: true, noEmit: true },
        files: [...code.keys()].map((entry) => `${entry}.ts`),
      }),
    );
    const checked = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', dir], { deadline: 120_000 });
    t.is(checked.code, 0, checked.stdout);
    writeFileSync(
      join(dir, 'wrong.ts'),
      "import { startAgent } from 'layerswarm/agent';\nawait startAgent({ data: '/x', registry: 5050 });\n",
    );
    writeFileSync(
      join(dir, 'tsconfig.json'),
      readFileSync(join(dir, 'tsconfig.json'), 'utf8').replace(/"files":.*\]/, '"files":["wrong.ts"]'),
    );
    t.regex(
      (await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', dir], { deadline: 120_000 })).stdout,
      /wrong\.ts\(2,\d+\): error TS2322: Type 'number' is not assignable to type 'string/,
      'types are there to be held to',
    );

    const example = async (entry: string, ...args: string[]): Promise<string> =>
      (await runOk(process.execPath, [join(dir, `${entry}.ts`), ...args], { cwd: dir, env: programEnv(dir), deadline: 60_000 })).stdout;
    /** What stands behind "//" of the lines that print. */
    const said = (entry: string): string =>
      [...code.get(entry)!.matchAll(/console\.log\(.*\/\/ (.+)$/gm)].map(([, text]) => `${text!}\n`).join('');
    t.is(await example('oci'), said('oci'));
    const registry = startProgram(
      t,
      join(t.context.prefix, 'bin/layerswarm'),
      agentCommand(t, { origin: 'embedded', data: join(dir, 'registry') }).args,
      { env: programEnv(dir) },
    );
    const { registry: url } = await registry.waitFor(
      'agent.json',
      () => JSON.parse(readFileSync(join(dir, 'registry/agent.json'), 'utf8')) as { registry: string },
    );
    t.is(await example('registry-client', url), said('registry-client'));
    t.is((await registry.stop()).code, 0);
    const disk = await makeFileSystem(t, makeGuestTree(t));
    t.regex(await example('convert', disk, `oci:${join(dir, 'layout')}:1`), /^Tiny Linux 1 sha256:[0-9a-f]{64} [12]\n$/);
    t.true(existsSync(join(dir, 'layout/oci-layout')));
    t.regex(await example('agent', join(dir, 'node')), /^12D3Koo\w+ http:\/\/127\.0\.0\.1:\d+\n$/);
    t.false(existsSync(join(dir, 'node/agent.json')), 'it has stopped');
  },
);

test.serial('nothing else of the package can be imported', async (t) => {
  if (!requireTool(t, 'npm')) return;
  const modules = localInstallation(t, t.context.prefix);
  for (const path of ['layerswarm', 'layerswarm/dist/oci/digest.js', 'layerswarm/src/oci/digest.ts']) {
    t.regex(
      (await run(process.execPath, ['--input-type=module', '-e', `await import('${path}')`], { cwd: join(modules, '..') })).stderr,
      /ERR_PACKAGE_PATH_NOT_EXPORTED/,
      path,
    );
  }
});
