import test from 'ava';
import { formatPeers, formatReceipt, formatSeconds, formatStatus, formatWhy } from '../../../src/cli/format.ts';
import { receiptSample, statusSample } from '../../support/status-sample.ts';

for (const [seconds, text] of [
  [0.0123, '12 ms'],
  [9.94, '9.9 s'],
  [61, '1 min 1 s'],
  [7260, '2 h 1 min'],
  [90_000, '1 d 1 h'],
] as const) {
  test(`${seconds} seconds are ${text}`, (t) => {
    t.is(formatSeconds(seconds), text);
  });
}

test('the status says origin, store, traffic, bans, peers, transfers and images', (t) => {
  const text = formatStatus(statusSample);
  for (const part of [
    'https://registry.example  ok',
    '2.93 KiB of 9.77 KiB in 2 blobs',
    '67 % from peers',
    '6.84 KiB in 4 blobs of containerd',
    'banned    node-9',
    'forged piece',
    '12D3KooWPeer',
    'team/app',
    'partly',
  ])
    t.true(text.includes(part), part);
});

test('an empty table says so', (t) => {
  t.is(formatPeers({ peers: [] }), 'no peer is connected');
});

test('names of strangers cannot drive the terminal', (t) => {
  t.false(formatPeers({ peers: [{ ...statusSample.peers[0]!, zone: '\u001b[2J' }] }).includes('\u001b'));
});

test('a receipt says where every byte came from, and a stale tag is marked', (t) => {
  const text = formatReceipt({ ...receiptSample, stale: true });
  for (const part of [
    'every digest verified',
    'from the origin  1000 B',
    'from peers       1.95 KiB from 1\n    node-2  1.95 KiB',
    'was here         1.95 KiB',
    '1 stall, 2 retries',
    'stale',
  ])
    t.true(text.includes(part), part);
});

test('why shows phases with their share and blobs with their rate', (t) => {
  const text = formatWhy(receiptSample);
  t.regex(text, /resolve +500 ms +25 %/);
  t.regex(text, /blobs +1\.0 s +50 %/);
  t.regex(text, /sha256:aaaaaaaaaaaa +2\.93 KiB +1\.0 s +250 ms +2\.93 KiB\/s/);
});
