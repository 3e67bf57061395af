import test from 'ava';
import type { Partition } from '../../../../src/convert/partition/partition.ts';
import { activeSlot, compareVersions } from '../../../../src/convert/root/slots.ts';

const FLATCAR_USR = '5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6';
const USR = '8484680c-9521-48c6-9c11-b0720656f69e';

function slot(number: number, rest: Partial<Partition>): { partition: Partition } {
  return { partition: { number, offset: 0, size: 1, type: USR, uuid: '', ...rest } };
}

const bits = (priority: bigint, tries: bigint, successful: bigint): bigint => (priority << 48n) | (tries << 52n) | (successful << 56n);

for (const [what, attributes, expected] of [
  ['the one with the higher priority', [bits(1n, 0n, 1n), bits(2n, 1n, 0n)], 2],
  ['the one that is left where the other failed', [bits(1n, 0n, 1n), bits(2n, 0n, 0n)], 1],
  ['the first of two that are alike', [bits(1n, 0n, 1n), bits(1n, 0n, 1n)], 1],
  ['none where none can be booted', [0n, 0n], undefined],
] as const) {
  test(`by priority the active slot is ${what}`, (t) => {
    t.is(activeSlot(attributes.map((attributes, i) => slot(i + 1, { type: FLATCAR_USR, attributes })))?.partition.number, expected);
  });
}

for (const [labels, expected] of [
  [['usr_1.9', 'usr_1.10'], 2],
  [['image-40.20240101.3', 'image-41.1'], 2],
  [['_empty', 'usr_3'], 2],
  [['usr_3'], 1],
  [['usr-verity-a', 'usr-verity-b'], undefined],
  [['usr_1', 'usr_1'], undefined],
  [['debian_12', 'fedora_40'], undefined],
  [['', ''], undefined],
] as const) {
  test(`by the labels ${labels.join(', ')} the active slot is ${expected ?? 'not known'}`, (t) => {
    t.is(activeSlot(labels.map((label, i) => slot(i + 1, { label })))?.partition.number, expected);
  });
}

test('versions are compared as people count them', (t) => {
  const sorted = ['1.0~rc1', '1.0', '1.0.1', '1.2', '1.10', '2'];
  t.deepEqual(sorted.toReversed().sort(compareVersions), sorted);
});
