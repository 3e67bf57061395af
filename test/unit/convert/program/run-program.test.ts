import test from 'ava';
import { programEnvironment, runProgram } from '../../../../src/convert/program/run-program.ts';
import { hostSurroundings } from '../../../../src/convert/program/surroundings.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('programs see neither locale nor time zone, and carry the marks by which they are found', async (t) => {
  const dir = tempDir(t);
  const where = hostSurroundings(dir);
  const answer = await runProgram(where, 'sh', ['-c', 'echo "$LC_ALL $TZ $TAR_OPTIONS $LAYERSWARM_SCRATCH"']);
  t.is(answer.toString(), `C UTC  ${dir}\n`);
  t.is(programEnvironment(dir)['SWARM_TEST_RUN'], process.env['SWARM_TEST_RUN']);
});

test('a program that fails is an error with what it said last, without control characters', async (t) => {
  const where = hostSurroundings(tempDir(t));
  const error = await t.throwsAsync(runProgram(where, 'sh', ['-c', 'printf "first\\nbad \\033[31m name\\n" >&2; exit 3']), {
    instanceOf: LayerswarmError,
  });
  t.is(error?.message, 'sh ended with exit code 3: first; bad ?[31m name');
  t.is((await runProgram(where, 'sh', ['-c', 'echo fine; exit 3'], { okCodes: [0, 3] })).toString(), 'fine\n');
});

test('a program that is given up ends at once', async (t) => {
  const abort = new AbortController();
  const sleeping = runProgram(hostSurroundings(tempDir(t)), 'sh', ['-c', 'exec sleep 600'], { signal: abort.signal });
  abort.abort(new LayerswarmError('aborted', 'enough'));
  await t.throwsAsync(sleeping, { message: 'enough' });
});
