import test from 'ava';
import { StrayErrors } from '../../../src/agent/stray-errors.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/log.ts';

test('what is left alone is logged with its stack, and only what may have broken something ends the process', (t) => {
  const lines: string[] = [];
  let ends = 0;
  const strays = new StrayErrors(createLogger({ level: 'info', format: 'text', write: (line) => lines.push(line) }), () => {
    ends += 1;
  });
  strays.onRejection(new TypeError('x is not a function'));
  strays.onException(Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' }));
  strays.onException(new LayerswarmError('aborted', 'the caller went away'));
  strays.onException(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  t.is(ends, 0);
  t.is(strays.count, 4);
  t.true(lines.every((line) => line.includes('stray-errors.test.ts')));
  strays.onException(new RangeError('out of bounds'));
  t.is(ends, 1);
});
