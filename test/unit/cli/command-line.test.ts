import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { cli } from '../../support/cli.ts';
import { tempDir } from '../../support/temp-dir.ts';

const refusals: readonly [title: string, args: readonly string[], stderr: RegExp][] = [
  ['an unknown command', ['pul'], /unknown command 'pul'/],
  ['an unknown flag', ['agent', '--foo'], /unknown option '--foo'/],
  ['a missing argument', ['key'], /missing required argument 'file'/],
  ['a key-less agent on the network', ['agent', '--listen', '/ip4/0.0.0.0/tcp/4001'], /swarmKey: expected a key file/],
  ['a malformed setting', ['agent', '--registry', 'x'], /registry \(--registry\): expected HOST:PORT, received "x"/],
];
for (const [title, args, stderr] of refusals) {
  test(`refuses ${title} with one line and exit code 2`, async (t) => {
    const result = await cli(args);
    t.is(result.code, 2);
    t.is(result.stdout, '');
    t.regex(result.stderr, stderr);
    t.is(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
  });
}

const first: readonly [args: readonly string[], code: number, stderr: RegExp][] = [
  [['boot', './missing.qcow2'], 3, /there is no disk image "\.\/missing\.qcow2"/],
  [['boot', 'missing.img'], 3, /there is no disk image "missing\.img"/],
  [['boot', '/etc'], 2, /"\/etc" is not a file or block device/],
  [['boot', '--live', '/missing'], 3, /there is no disk image "\/missing"/],
  [['boot', 'debian:12'], 1, /the Docker Engine at unix:\/\/\/nonexistent.sock does not answer/],
  [['seed', 'nonsense'], 2, /expected a source such as docker:/],
  [['seed', 'tar:/missing.tar', '--as', 'a:1'], 3, /there is no file \/missing\.tar/],
  [['seed', 'oci:/missing:v1'], 3, /there is no file \/missing$/m],
  [['seed', 'tar:/etc/passwd', '--as', 'BAD/x'], 2, /expected a reference .*received "BAD\/x"/],
  [['seed', 'tar:/etc/passwd', '--as', 'a:1', '--platform', 'a/b/c/d'], 2, /expected a platform/],
  [['seed', 'tar:/etc/passwd', '--as', 'a:1'], 4, /no agent runs/],
  ...['pull', 'pin', 'unpin', 'purge', 'why'].map((command): [string[], number, RegExp] => [
    [command, 'BAD/x'],
    2,
    /expected a reference .*received "BAD\/x"/,
  ]),
  [['pull', 'a:1', '--platform', 'a/b/c/d'], 2, /expected a platform/],
  [['pull', 'a:1'], 4, /no agent runs/],
];
for (const [args, code, stderr] of first) {
  test(`"${args.join(' ')}" says what is wrong with it before it says what is not there`, async (t) => {
    const result = await cli([...args, '--data', join(tempDir(t), 'none')], {
      env: { ...process.env, DOCKER_HOST: 'unix:///nonexistent.sock' },
    });
    t.regex(result.stderr, stderr);
    t.is(result.code, code, result.stderr);
  });
}

test('help is printed on stdout and ends with 0, however it is asked for', async (t) => {
  const [bare, flag, command, flagged] = await Promise.all([cli([]), cli(['--help']), cli(['help', 'key']), cli(['key', '--help'])]);
  for (const result of [bare, flag, command, flagged]) t.is(result.code, 0, result.stderr);
  t.is(bare.stdout, flag.stdout);
  t.is(command.stdout, flagged.stdout);
  t.regex(flagged.stdout, /--json/);
});

test('--json prints one document and nothing else on stdout', async (t) => {
  const file = join(tempDir(t), 'swarm.key');
  const result = await cli(['key', file, '--json']);
  t.is(result.stderr, '');
  t.like(JSON.parse(result.stdout), { file });
  t.is((await stat(file)).size, 32);
});
