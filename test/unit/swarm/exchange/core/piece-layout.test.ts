import test from 'ava';
import { pieceLengthFor } from '../../../../../src/swarm/exchange/core/piece-layout.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

for (const [size, length] of [
  [1, 64 * KIB],
  [64 * MIB, 64 * KIB],
  [64 * MIB + 1, 128 * KIB],
  [128 * MIB, 128 * KIB],
  [128 * MIB + 1, 256 * KIB],
  [GIB, MIB],
  [64 * GIB, 4 * MIB],
  [64 * GIB + 1, 8 * MIB],
] as const)
  test(`a blob of ${size} bytes is cut into pieces of ${length}`, (t) => {
    t.is(pieceLengthFor(size), length);
  });
