import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import test from 'ava';
import { cli } from '../../support/cli.ts';
import { tempDir } from '../../support/temp-dir.ts';

const nodeArgs = ['--import', fileURLToPath(new URL('../../support/forbid-libp2p.ts', import.meta.url))];

const light: readonly [args: readonly string[], code: number][] = [
  [['--help'], 0],
  [['agent', '--help'], 0],
  [['pull', '--help'], 0],
  [['demo', '--help'], 0],
  [['status'], 4],
  [['peers'], 4],
  [['images'], 4],
  [['transfers'], 4],
  [['why', 'a:1'], 4],
  [['verify'], 4],
  [['pull', 'a:1'], 4],
  [['config', '--json'], 0],
];
for (const [args, code] of light) {
  test(`"${args.join(' ')}" does not load libp2p, which takes a second`, async (t) => {
    const result = await cli([...args, '--data', join(tempDir(t), 'none')], { nodeArgs });
    t.is(result.code, code, result.stderr);
    t.notRegex(result.stderr, /loads /);
  });
}

test('an agent does load it', async (t) => {
  const result = await cli(['agent', '--data', join(tempDir(t), 'data')], { nodeArgs });
  t.is(result.code, 1);
  t.regex(result.stderr, /loads @(chainsafe|libp2p)/);
});
