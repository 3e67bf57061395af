import test from 'ava';
import { bad, degraded, type Finding, ok, unknown } from '../../../../src/agent/health/finding.ts';
import { HealthWatch } from '../../../../src/agent/health/health-watch.ts';
import { createLogger } from '../../../../src/log.ts';

test('a node is as well as its worst part, knows since when, and logs each change once', (t) => {
  let parts: Record<string, Finding> = { origin: unknown('not yet'), members: ok('2 members'), runtimes: unknown('none') };
  let now = 0;
  const lines: string[] = [];
  const log = createLogger({ level: 'info', format: 'text', write: (line) => lines.push(line.replace(/^\S+ /, '').trimEnd()) });
  const watch = new HealthWatch({ find: () => parts, isReady: ({ origin }) => origin?.level === 'ok', log, now: () => now });
  t.like(watch.look(), { level: 'unknown', ready: false });
  now = 1000;
  parts = { ...parts, origin: ok('it answers') };
  t.like(watch.look(), { level: 'ok', sentence: 'it answers; 2 members', ready: true, since: new Date(1000).toISOString() });
  now = 2000;
  parts = { ...parts, members: degraded('alone') };
  watch.look();
  now = 3000;
  parts = { ...parts, origin: bad('it is away') };
  watch.look();
  now = 4000;
  const { level, sentence, since, parts: seen } = watch.look();
  t.deepEqual({ level, sentence, since }, { level: 'bad', sentence: 'it is away; alone', since: new Date(3000).toISOString() });
  t.is(seen['members']!.since, new Date(2000).toISOString());
  t.deepEqual(lines, ['INFO  origin ok: it answers', 'WARN  members degraded: alone', 'WARN  origin bad: it is away']);
});
