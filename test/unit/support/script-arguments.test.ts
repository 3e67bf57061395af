import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { run } from '../../support/process.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCRIPTS = {
  'test/chaos/chaos.ts': ['--patience', 'none', /^--patience: expected a number from 0, received "none"/],
  'test/fuzz/fuzz.ts': ['--target', 'nothing', /^--target: expected .+, received "nothing"/],
  'test/bench/run.ts': ['nothing', '', /^part: expected crowd, .+, received "nothing"/],
  'config/release/release.ts': ['--only', 'nothing', /^--only: expected archive, .+, received "nothing"/],
} as const;

for (const [script, [option, value, complaint]] of Object.entries(SCRIPTS)) {
  const start = (...args: string[]): ReturnType<typeof run> =>
    run(process.execPath, ['--disable-warning=ExperimentalWarning', join(ROOT, script), ...args.filter((word) => word !== '')]);

  test(`${script} says with --help how it is used, and ends with 0`, async (t) => {
    const { code, stdout, stderr } = await start('--help');
    t.deepEqual([code, stderr], [0, '']);
    t.regex(stdout, /^ {2}npm run \w+ -- \[/m);
  });

  test(`${script} ends with one line and 2 at what it does not know or cannot use`, async (t) => {
    const [unknown, unusable] = await Promise.all([start('--nothing'), start(option, value)]);
    t.deepEqual([unknown.code, unknown.stdout, unknown.stderr], [2, '', "Unknown option '--nothing'; --help tells what there is\n"]);
    t.deepEqual([unusable.code, unusable.stdout], [2, '']);
    t.regex(unusable.stderr, complaint);
    t.is(unusable.stderr.split('\n').length, 2);
  });
}
