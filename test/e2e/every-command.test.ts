import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../../src/cli/commands.ts';
import { MAIN } from '../support/cli.ts';
import { type Agent, layerswarm, programEnv, startAgent } from '../support/layerswarm.ts';
import { type Finished, run } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { tempDir } from '../support/temp-dir.ts';

const AT_ONCE = 3;

/** By command: what prints something, where that needs no machine of its own. */
const PRINTS: Readonly<Record<string, readonly string[]>> = {
  pull: ['team/app:v1'],
  replicate: ['status'],
  status: [],
  peers: [],
  images: [],
  transfers: [],
  why: ['team/app:v1'],
  pin: ['team/app:v1'],
  unpin: ['team/app:pinned'],
  purge: ['team/app:v2'],
  gc: ['--dry-run'],
  verify: [],
  setup: ['containerd', '--dry-run'],
  uninstall: ['--dry-run'],
  doctor: [],
  config: ['--example'],
  completion: ['bash'],
  man: [],
  version: [],
};
/** By command: what is wrong, beside an option that it does not have. */
const FAILS: Readonly<Record<string, readonly string[]>> = {
  agent: ['--data', '/dev/null/none'],
  pull: ['team/app:none'],
  seed: ['tar:/nonexistent.tar', '--as', 'team/x:1'],
  replicate: ['run', 'no-policy'],
  why: ['team/never:1'],
  pin: ['team/app:none'],
  unpin: ['team/none:1'],
  purge: ['team/none:1'],
  convert: ['/nonexistent.qcow2', '-o', 'oci:/nonexistent/out:v1'],
  boot: ['/nonexistent.qcow2'],
  disk: ['map', '/nonexistent.qcow2', '/nonexistent'],
  setup: ['nonsense'],
  join: ['nonsense'],
  key: ['/proc/none/key'],
  charter: ['verify', '/nonexistent'],
  config: ['--config', '/nonexistent.yaml'],
  completion: ['nonsense'],
  token: ['--expires', 'nonsense'],
};

async function eachOf(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const queue = names.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const name of queue) await work(name);
    }),
  );
}

async function site(t: ExecutionContext): Promise<Agent> {
  const agent = await startAgent(t, { origin: 'embedded' });
  for (const tag of ['v1', 'v2', 'pinned']) await pushImage({ url: agent.registry }, 'team/app', tag, [randomBytes(1000)]);
  await agent.cliOk(['pull', 'team/app:v1']);
  await agent.cliOk(['pin', 'team/app:pinned']);
  return agent;
}

test('a full standard output is one line, whatever the command, and no stack', async (t) => {
  t.timeout(240_000);
  const agent = await site(t);
  await eachOf(Object.keys(PRINTS), async (name) => {
    const words = [name, ...PRINTS[name]!, '--data', agent.data];
    const { code, stderr }: Finished = await run('sh', ['-c', '"$0" "$@" >/dev/full', process.execPath, MAIN, ...words], {
      env: programEnv(join(agent.data, '..')),
    });
    t.is(code, 1, `${name}: ${stderr}`);
    t.regex(stderr, /layerswarm: cannot write the result: the disk is full\n$/, name);
    t.notRegex(stderr, /^ +at |node:internal/m, name);
  });
});

test('with --json every error of every command is one document on standard output', async (t) => {
  t.timeout(240_000);
  const agent = await site(t);
  const isError = ({ code, stdout, stderr }: Finished, what: string): void => {
    t.not(code, 0, what);
    t.notThrows(() => {
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
      t.true(error.code !== '' && error.message !== '', what);
      t.not(error.code, 'internal', `${what}: ${error.message}`);
    }, `${what}: ${stdout}${stderr}`);
  };
  await eachOf(
    COMMANDS.map(({ name }) => name),
    async (name) => {
      isError(await agent.cli([name, '--no-such-option', '--json']), `${name} --no-such-option`);
      const words = FAILS[name];
      if (words === undefined) return;
      isError(
        await layerswarm(['--json', ...(words.includes('--data') ? [] : ['--data', agent.data]), name, ...words], {
          runtimeDir: join(agent.data, '..'),
        }),
        [name, ...words].join(' '),
      );
    },
  );
});

test('every command has examples in its help, and neither a bare value nor an empty list in it', async (t) => {
  t.timeout(240_000);
  await eachOf(
    COMMANDS.map(({ name }) => name),
    async (name) => {
      const { code, stdout } = await layerswarm([name, '--help']);
      t.is(code, 0, name);
      t.regex(stdout, /Examples:\n {2}layerswarm /, name);
      t.notRegex(stdout, /<value>|default: \[\]/, name);
    },
  );
});

test('what a page of settings says is refused whole, and at once', async (t) => {
  const file = join(tempDir(t), 'layerswarm.yaml');
  writeFileSync(file, 'origin: 7\nlimits: { members: none }\nswarmKey: /nonexistent/key\nbogus: 1\n');
  const { code, stderr } = await layerswarm(['config', '--config', file]);
  t.is(code, 2, stderr);
  for (const key of ['origin', 'limits.members', 'bogus']) t.true(stderr.includes(key), `${key}: ${stderr}`);
});
