import test from 'ava';
import { createLogger, type LoggerOptions, rewritten } from '../../src/log.ts';

function logged(options: Partial<LoggerOptions>, write: (log: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  write(
    createLogger({
      level: 'info',
      format: 'text',
      now: () => new Date(0),
      write: (line) => {
        text += line;
      },
      ...options,
    }),
  );
  return text;
}

test('a text line holds time, level, part, message and fields', (t) => {
  t.is(
    logged({}, (log) => log.for('store').warn('no room', { bytes: 5, path: '/a b', none: undefined, list: [1] })),
    '1970-01-01T00:00:00.000Z WARN  store: no room bytes=5 path="/a b" list=[1]\n',
  );
});

test('a JSON line is one document', (t) => {
  t.deepEqual(JSON.parse(logged({ format: 'json' }, (log) => log.for('store').error('no room', { bytes: 5 }))), {
    time: '1970-01-01T00:00:00.000Z',
    level: 'error',
    part: 'store',
    message: 'no room',
    bytes: 5,
  });
});

test('the journal gets the priority in place of the time', (t) => {
  t.is(
    logged({ journal: true }, (log) => log.error('no room')),
    '<3>no room\n',
  );
});

test('what is less severe than the level is left out', (t) => {
  t.is(
    logged({ level: 'warn' }, (log) => {
      log.debug('a');
      log.info('b');
    }),
    '',
  );
});

test('text of strangers cannot forge a line, drive a terminal or fill the disk', (t) => {
  const text = logged({}, (log) => log.info('a\nb\u001b[2J', { name: `x\r\n${'y'.repeat(5000)}` }));
  t.is(text.split('\n').length, 2);
  t.false(text.includes('\u001b'));
  t.true(text.length < 2500);
});

test('a log may call things as people do, whichever part speaks', (t) => {
  const text = logged({}, (log) =>
    rewritten(log, (text) => text.replaceAll('12d3', 'reg'))
      .for('pull')
      .info('pulled 12d3/app', { image: '12d3/app', bytes: 12 }),
  );
  t.is(text, '1970-01-01T00:00:00.000Z INFO  pull: pulled reg/app image=reg/app bytes=12\n');
});

test('lines that nobody reads in time are lost instead of piling up, and counted in one when there is room again', (t) => {
  let isFull = false;
  const text = logged({ isFull: () => isFull }, (log) => {
    log.info('before');
    isFull = true;
    log.info('lost');
    log.for('store').error('lost too');
    log.debug('below the level');
    isFull = false;
    log.info('after');
    log.info('and on');
  });
  t.deepEqual(
    text
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ /, '')),
    ['INFO  before', 'WARN  lines of this log are lost: whoever reads it was too slow lines=2', 'INFO  after', 'INFO  and on'],
  );
});
