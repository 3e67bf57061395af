import test from 'ava';
import { EventEmitter } from 'node:events';
import { surviveStrayErrors } from '../../../src/cli/survive.ts';
import { createLogger } from '../../../src/log.ts';

test('a stray error is logged, a flood of them ten times a minute', (t) => {
  const lines: string[] = [];
  const emitter = new EventEmitter();
  let now = 0;
  surviveStrayErrors(createLogger({ level: 'info', format: 'text', write: (line) => lines.push(line) }), emitter as unknown as NodeJS.Process, () => now);
  emitter.emit('unhandledRejection', new Error('EROFS'));
  t.regex(lines[0] ?? '', /ERROR an operation failed that nobody waited for .*EROFS/);
  for (let i = 0; i < 100; i++) emitter.emit('uncaughtException', new Error('again'));
  t.is(lines.length, 10);
  now = 60_001;
  emitter.emit('uncaughtException', new Error('later'));
  t.is(lines.length, 11);
});
