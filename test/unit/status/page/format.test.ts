import test from 'ava';
import { ago, count, duration, percent, rate, shortDigest, shortPeer, size, uptime } from '../../../../src/status/page/format.ts';

const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

const cases: readonly [what: string, shown: string, expected: string][] = [
  ['a size', size(1_610_612_736), '1.50 GiB'],
  ['a size that is no whole number', size(0.4), '0 B'],
  ['a rate', rate(12 * 2 ** 20), '12.0 MiB/s'],
  ['nearly all', percent(9999, 10_000), '99 %'],
  ['all', percent(5, 5), '100 %'],
  ['hardly anything', percent(1, 10_000), '1 %'],
  ['nothing', percent(0, 10), '0 %'],
  ['a part of nothing', percent(0, 0), '0 %'],
  ['a moment', duration(0.35), '350 ms'],
  ['just under a second', duration(0.9996), '1.0 s'],
  ['seconds', duration(12.34), '12.3 s'],
  ['just under a minute', duration(59.96), '1 min'],
  ['minutes', duration(250), '4 min 10 s'],
  ['a whole hour', duration(3600), '1 h'],
  ['days', duration(3 * 86_400 + 4 * 3600), '3 d 4 h'],
  ['now', ago(1000, 2000), 'just now'],
  ['a clock that is ahead', ago(9000, 2000), 'just now'],
  ['some time ago', ago(0, 12 * 60_000), '12 min ago'],
  ['one', count(1, 'node'), '1 node'],
  ['thousands', count(12_347, 'image'), '12 347 images'],
  ['a start', uptime(0, 30_000), 'just started'],
  ['a while', uptime(0, 90 * 60_000), 'up 1 h 30 min'],
  ['a digest', shortDigest(`sha256:${'ab'.repeat(32)}`), 'sha256:abababababab'],
  ['what is no digest', shortDigest('latest'), 'latest'],
  ['a peer', shortPeer('12D3KooWFgTijtJau8uTs7oM'), '…u8uTs7oM'],
];
for (const [what, shown, expected] of cases) {
  test(`${what} is shown as ${expected}`, (t) => {
    t.is(plain(shown), expected);
  });
}
