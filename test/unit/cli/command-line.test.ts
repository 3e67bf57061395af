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
