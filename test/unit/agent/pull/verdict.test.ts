import test from 'ava';
import { verdict } from '../../../../src/agent/pull/verdict.ts';
import type { Receipt } from '../../../../src/status/receipt-document.ts';
import { receiptSample } from '../../../support/status-sample.ts';

const MIB = 2 ** 20;
const of = (changes: Partial<Receipt>): Receipt => ({
  ...receiptSample,
  seconds: 10,
  stalls: 0,
  waitedSeconds: 0,
  verifySeconds: 0,
  fromStoreBytes: 0,
  fromOriginBytes: 0,
  fromPeersBytes: 0,
  peers: {},
  peerNames: { a: 'node-a' },
  phases: [{ name: 'blobs', seconds: 10 }],
  ...changes,
});

const CASES: readonly (readonly [title: string, receipt: Receipt, says: RegExp])[] = [
  ['a failure', of({ result: 'failed', error: 'the origin is down' }), /^it failed: the origin is down$/],
  ['nothing to fetch', of({ fromStoreBytes: 100 }), /^everything was here already$/],
  [
    'a slow tag',
    of({
      fromPeersBytes: 1,
      peers: { a: 1 },
      phases: [
        { name: 'resolve', seconds: 8 },
        { name: 'blobs', seconds: 2 },
      ],
    }),
    /^8\.0 s of 10\.0 s went into asking the origin/,
  ],
  ['a long search', of({ fromPeersBytes: 1, peers: { a: 1 }, waitedSeconds: 7 }), /^waited 7\.0 s of 10\.0 s for a first byte/],
  ['a slow disk', of({ fromPeersBytes: 1, peers: { a: 1 }, verifySeconds: 6 }), /^6\.0 s of 10\.0 s went into verification/],
  ['the origin alone', of({ fromOriginBytes: 20 * MIB }), /^the origin gave 2\.00 MiB\/s, and no member had it$/],
  ['one member', of({ fromPeersBytes: 20 * MIB, peers: { a: 20 * MIB } }), /^node-a gave nearly all of it, at 2\.00 MiB\/s$/],
  [
    'a full line',
    of({ fromPeersBytes: 30 * MIB, peers: { a: 10 * MIB, b: 9 * MIB, c: 11 * MIB } }),
    /line of this host was full.*1\.00 MiB\/s from each of 3 sources$/,
  ],
  [
    'several, not alike',
    of({ fromPeersBytes: 30 * MIB, peers: { a: 15 * MIB, b: 5 * MIB, c: 10 * MIB } }),
    /^it came from 3 sources at 3\.00 MiB\/s, most from node-a/,
  ],
  [
    'a silent source',
    of({ fromPeersBytes: 20 * MIB, peers: { a: 20 * MIB }, stalls: 1 }),
    /; a source fell silent once, and others took over$/,
  ],
  [
    'sources that are silent again and again',
    of({ fromPeersBytes: 20 * MIB, peers: { a: 20 * MIB }, stalls: 4 }),
    /; sources fell silent 4 times, and others took over$/,
  ],
];
for (const [title, receipt, says] of CASES) {
  test(`${title}: the verdict says so`, (t) => {
    t.regex(verdict(receipt), says);
  });
}
