import test from 'ava';
import { bulkCandidates, parseBulkAddress } from '../../../../../src/swarm/lane/bulk/bulk-address.ts';

const PARSED: readonly (readonly [string, { host: string; port: number } | undefined])[] = [
  ['10.0.0.1:4002', { host: '10.0.0.1', port: 4002 }],
  ['node-7.rack.example:1', { host: 'node-7.rack.example', port: 1 }],
  ['[2001:db8::1]:4002', { host: '2001:db8::1', port: 4002 }],
  ['2001:db8::1:4002', undefined],
  ['[10.0.0.1]:4002', undefined],
  ['10.0.0.1', undefined],
  ['10.0.0.1:0', undefined],
  ['10.0.0.1:65536', undefined],
  ['10.0.0.1:4002/x', undefined],
  ['unix:/run/x:1', undefined],
  ['', undefined],
];
for (const [text, expected] of PARSED) {
  test(`"${text}" is ${expected === undefined ? 'no bulk address' : `${expected.host} and ${expected.port}`}`, (t) => {
    t.deepEqual(parseBulkAddress(text), expected);
  });
}

test('the host of the control connection comes first, with every port that was told, and nothing twice', (t) => {
  t.deepEqual(bulkCandidates(['10.0.0.1:4002', 'junk', '10.0.0.2:4002', '10.0.0.1:4003'], '10.0.0.2'), [
    { host: '10.0.0.2', port: 4002 },
    { host: '10.0.0.2', port: 4003 },
    { host: '10.0.0.1', port: 4002 },
    { host: '10.0.0.1', port: 4003 },
  ]);
  t.deepEqual(bulkCandidates(['10.0.0.1:4002'], undefined), [{ host: '10.0.0.1', port: 4002 }]);
});
