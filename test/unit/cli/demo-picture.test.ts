import test from 'ava';
import type { DemoReport } from '../../../src/cli/demo/demo.ts';
import { demoPicture } from '../../../src/cli/demo/demo-picture.ts';

const report: DemoReport = {
  reference: 'x.embedded/demo/layerswarm:latest',
  digest: `sha256:${'a'.repeat(64)}`,
  bytes: 1000,
  originBytes: 1010,
  peerBytes: 990,
  copies: 1.01,
  seconds: 2,
  nodes: [
    { name: 'node 1', peerId: 'a', seconds: 2, originBytes: 500, peerBytes: 500, from: { origin: 500, 'node 2': 500 }, verified: true },
    { name: 'node 2', peerId: 'b', seconds: 1.5, originBytes: 510, peerBytes: 490, from: { 'node 1': 490, origin: 510 }, verified: false },
  ],
};

test('a bar for each node shows who sent what, the origin first', (t) => {
  const picture = demoPicture(report);
  t.true(picture.includes(`node 1 1  [${'O'.repeat(24)}${'2'.repeat(24)}]  2.0 s  verified`), picture);
  t.true(picture.includes(`node 2 2  [${'O'.repeat(24)}${'1'.repeat(24)}]  1.5 s  NOT verified`), picture);
  t.regex(picture, /from the origin +1010 B, 1\.01 copies for 2 nodes/);
  t.regex(picture, /verified +1 of 2 nodes/);
});

test('a node that got nothing has an empty bar', (t) => {
  const [first] = report.nodes;
  t.true(demoPicture({ ...report, nodes: [{ ...first!, from: {} }] }).includes(`[${' '.repeat(48)}]`));
});
