import { createHash } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import { checkpointCount, checkpointLengthFor, MAX_CHECKPOINTS, PrefixHash } from '../../../../src/store/partial/prefix-hash.ts';
import { sample } from '../conformance.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

for (const [size, length] of [
  [0, 64 * KIB],
  [4 * MIB, 64 * KIB],
  [4 * MIB + 1, 128 * KIB],
  [32 * MIB, 512 * KIB],
  [64 * MIB, MIB],
  [16 * GIB, MIB],
  [16 * GIB + 1, 2 * MIB],
  [1024 * GIB, 64 * MIB],
] as const) {
  test(`a blob of ${size} bytes has a checkpoint every ${length} bytes`, (t) => {
    t.is(checkpointLengthFor(size), length);
    t.true(checkpointCount(size, length) <= MAX_CHECKPOINTS);
  });
}

const { bytes } = sample(6 * MIB);

test('however the bytes are cut, a blob of unknown size ends with the checkpoints of its size', (t) => {
  const cuts = fc.array(fc.integer({ min: 1, max: 700 * KIB }), { maxLength: 20 });
  fc.assert(
    fc.property(cuts, fc.nat(bytes.length), (lengths, size) => {
      const hash = new PrefixHash('sha256');
      for (const length of [...lengths, size]) hash.update(bytes.subarray(hash.position, Math.min(size, hash.position + length)));
      hash.finish();
      t.is(hash.position, size);
      t.is(hash.checkpointLength, checkpointLengthFor(size));
      t.deepEqual(
        hash.digests.map((digest) => digest.toString('hex')),
        expected(size, hash.checkpointLength),
      );
    }),
    { numRuns: 30 },
  );
});

test('after going back anywhere the digests are the same again', (t) => {
  const size = bytes.length;
  const moves = fc.array(fc.record({ forward: fc.nat(2 * MIB), back: fc.nat(size) }), { maxLength: 12 });
  fc.assert(
    fc.property(moves, (plan) => {
      const hash = new PrefixHash('sha256', size);
      for (const { forward, back } of plan) {
        hash.update(bytes.subarray(hash.position, hash.position + forward));
        const before = hash.position;
        hash.rewind(back);
        t.true(hash.position === before || hash.position <= back);
      }
      hash.update(bytes.subarray(hash.position));
      t.deepEqual(
        hash.digests.map((digest) => digest.toString('hex')),
        expected(size, hash.checkpointLength),
      );
    }),
    { numRuns: 30 },
  );
});

test('going back costs no more than the way back and a checkpoint', (t) => {
  const size = 1000 * 64 * KIB;
  const block = Buffer.alloc(MIB);
  const hash = new PrefixHash('sha256', size);
  for (const target of [size - 1, size - 3 * MIB, 40 * MIB, 33 * MIB, size / 2, MIB, 100, 0]) {
    while (hash.position < size) hash.update(block.subarray(0, Math.min(MIB, size - hash.position)));
    hash.rewind(target);
    t.true(hash.position <= target && target - hash.position <= size - target + hash.checkpointLength, `${target}: ${hash.position}`);
  }
});

function expected(size: number, length: number): string[] {
  const hash = createHash('sha256');
  return Array.from({ length: checkpointCount(size, length) }, (_, index) => {
    hash.update(bytes.subarray(index * length, Math.min(size, (index + 1) * length)));
    return hash.copy().digest('hex');
  });
}
