import test from 'ava';
import { statusScreen } from '../../../src/cli/status-screen.ts';
import { statusSample } from '../../support/status-sample.ts';

const crowded = {
  ...statusSample,
  peers: Array.from({ length: 300 }, (_, index) => ({ ...statusSample.peers[0]!, name: `node-${index}`, zone: `zone-${index % 4}` })),
  images: Array.from({ length: 400 }, (_, index) => ({
    ...statusSample.images[0]!,
    reference: `registry.example/team/with-a-long-name-${index}:1`,
  })),
  transfers: Array.from({ length: 30 }, () => statusSample.transfers[0]!),
};

for (const columns of [60, 80, 200]) {
  for (const [size, status] of [
    ['small', statusSample],
    ['large', crowded],
  ] as const) {
    test(`the status of a ${size} swarm fits on a screen of ${columns} columns, and the swarm comes first`, (t) => {
      const lines = statusScreen(status, { columns, rows: 30, color: false }).split('\n');
      t.true(lines.length <= 29, String(lines.length));
      for (const line of lines) t.true(line.length < columns, line);
      const at = (beginning: string): number => lines.findIndex((line) => line.startsWith(beginning));
      t.is(at('! degraded: quay.io'), 0);
      t.true(at('DOWNLOADS') < at('MEMBERS') && at('MEMBERS') < at('IMAGES') && at('IMAGES') < at('NODE'));
      t.true(at('DOWNLOADS') > 0);
      t.true(lines.some((line) => line.includes('node-')));
      t.true(lines.some((line) => line.includes('[#')));
    });
  }
}

test('a small swarm is shown whole, with rate and time left', (t) => {
  const text = statusScreen(statusSample, { columns: 200, rows: 40, color: false });
  for (const part of [
    'MEMBERS  1 in 1 zone',
    'node-2',
    '100 B/s, 20.0 s left',
    'IMAGES  0 complete, 1 partly',
    '67 % from members',
    '8.79 KiB free on disk',
    'forged piece',
  ])
    t.true(text.includes(part), part);
});

test('colour is for terminals that want it, and names cannot bring their own', (t) => {
  const status = { ...statusSample, name: '\u001b[2Jx' };
  t.false(statusScreen(status, { columns: 80, rows: 30, color: false }).includes('\u001b'));
  t.true(statusScreen(status, { columns: 80, rows: 30, color: true }).startsWith('\u001b[33m'));
});

test('a sentence is broken and not cut, and of long names what tells them apart is shown', (t) => {
  const sentence = 'the disk of /var/lib/layerswarm has 120 MiB free, below the reserve of 256 MiB: nothing new is kept; make room on it';
  const parts = { store: { level: 'bad', sentence, since: '' }, origin: { level: 'degraded', sentence: 'it is slow', since: '' } } as const;
  const status = {
    ...statusSample,
    health: { ...statusSample.health, level: 'bad', sentence, parts },
    peers: [{ ...statusSample.peers[0]!, name: 'worker-in-the-cellar-0042.example.org' }],
    images: [{ ...statusSample.images[0]!, reference: `registry.example/team/${'service-'.repeat(8)}:1.2.3` }],
  } as const;
  for (const columns of [60, 80]) {
    const text = statusScreen(status, { columns, rows: 30, color: false });
    t.regex(text.replaceAll(/\s+/g, ' '), /x bad: the disk .* make room on it x store: the disk .* make room on it ! origin: it is slow/);
    t.regex(text, /^ {2}worker-in-…e\.org /m);
    t.regex(text, /…\S*service-:1\.2\.3$/m);
  }
  t.is(
    statusScreen(
      { ...status, health: { ...status.health, parts: { store: parts.store } } },
      { columns: 200, rows: 30, color: false },
    ).split('make room').length,
    2,
  );
});
