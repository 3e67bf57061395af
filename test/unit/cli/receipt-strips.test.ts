import test from 'ava';
import { stripLines } from '../../../src/cli/receipt-strips.ts';
import { receiptSample } from '../../support/status-sample.ts';

const [sample] = receiptSample.blobs;

test('a finished pull shows which part of its slowest blobs came from whom, and who the signs are', (t) => {
  const digest = `sha256:${'b'.repeat(64)}`;
  t.deepEqual(
    stripLines({
      peers: { few: 10, many: 2000 },
      peerNames: { many: 'node-2' },
      blobs: [
        {
          ...sample!,
          seconds: 1,
          strip: [
            ['origin', 10],
            [0, 38],
          ],
        },
        {
          ...sample!,
          digest,
          seconds: 2,
          peers: { few: 10, many: 1 },
          strip: [
            [1, 20],
            [0, 1],
            ['here', 27],
          ],
        },
      ],
    }),
    [
      '',
      'which part came from whom:',
      `sha256:bbbbbbbbbbbb  [${'1'.repeat(20)}2${'='.repeat(27)}]`,
      `sha256:aaaaaaaaaaaa  [OOOOOOOOOO${'+'.repeat(38)}]`,
      'O the origin, 1 node-2, 2 few, + other members, = was here',
    ],
  );
});

test('of a receipt of before nothing is shown', (t) => {
  t.deepEqual(stripLines({ ...receiptSample, blobs: [{ ...sample!, strip: [] }] }), []);
});
