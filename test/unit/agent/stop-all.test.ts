import test from 'ava';
import { stopAll } from '../../../src/agent/stop-all.ts';
import { StopSteps } from '../../../src/agent/stop-steps.ts';
import { createLogger } from '../../../src/log.ts';

/** Parts of which two are stopped together, and one after them. */
function failing(...errors: [Error | undefined, Error | undefined, Error | undefined]): AsyncDisposableStack {
  const parts = new AsyncDisposableStack();
  const fail = (error: Error | undefined) => (): void => {
    if (error !== undefined) throw error;
  };
  parts.defer(fail(errors[2]));
  const together = new StopSteps().together(parts);
  together.defer('one', fail(errors[0]));
  together.defer('other', fail(errors[1]));
  return parts;
}

const noRoom = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

test('an agent on a disk that takes nothing is stopped, and says once that not everything could be kept', async (t) => {
  const lines: string[] = [];
  const log = createLogger({ level: 'info', format: 'text', write: (line) => lines.push(line) });
  await stopAll(failing(noRoom(), noRoom(), noRoom()), log);
  t.is(lines.length, 1);
  t.regex(lines[0]!, /not everything could be kept for the next start/);
});

test('what else fails is told, whatever it is stopped with', async (t) => {
  const log = createLogger({ level: 'info', format: 'text', write: (line) => t.fail(line) });
  for (const at of [0, 1, 2]) {
    const [one, other, last] = [noRoom(), undefined, noRoom()].map((error, i) => (i === at ? new Error('a bug') : error));
    await t.throwsAsync(stopAll(failing(one, other, last), log));
  }
});
