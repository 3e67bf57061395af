import test from 'ava';
import { Bitfield } from '../../../../../src/swarm/exchange/core/bitfield.ts';
import { DOWNLOAD_LIMITS } from '../../../../../src/swarm/exchange/core/limits.ts';
import { Neighbour } from '../../../../../src/swarm/exchange/core/neighbour.ts';
import { PieceLayout } from '../../../../../src/swarm/exchange/core/piece-layout.ts';
import { PieceTable } from '../../../../../src/swarm/exchange/core/piece-table.ts';
import { chooseFetches } from '../../../../support/choose-fetches.ts';

const LAYOUT = new PieceLayout(256 << 20);

/** Bytes asked of a holder at a time, after it has answered `rounds` requests over a link of this rate and round trip. */
function window(bytesPerSecond: number, latencyMs: number, rounds = 60): number {
  const holder = new Neighbour('holder', 'complete', Bitfield.full(LAYOUT.pieceCount));
  holder.latencyMs = latencyMs;
  let asked = 0;
  for (let round = 0; round < rounds; round++) {
    const runs = chooseFetches(new PieceTable(LAYOUT), [holder], { now: 0 }).map(({ count }) => count * LAYOUT.pieceLength);
    holder.fetches.clear();
    asked = runs.reduce((sum, bytes) => sum + bytes, 0);
    // Both are under way at once, so each has half of the link.
    for (const bytes of runs) holder.measured(bytes, latencyMs + (asked * 1000) / bytesPerSecond);
  }
  return asked;
}

for (const [mbit, latencyMs] of [
  [50, 1],
  [100, 20],
  [100, 100],
  [100, 300],
] as const) {
  test(`what is asked of a peer at ${mbit} Mbit/s and ${latencyMs} ms fills its link, and is not much more`, (t) => {
    const rate = (mbit * 1e6) / 8;
    const asked = window(rate, latencyMs);
    t.true(asked >= (rate * latencyMs) / 1000, `${asked} bytes under way`);
    t.true(asked <= (rate * (2 * latencyMs + 500)) / 1000 + 2 * LAYOUT.pieceLength, `${asked} bytes under way`);
  });
}

test('what is asked of a slow peer is short, and of a very fast one bounded', (t) => {
  t.is(window(100_000, 1), 2 * DOWNLOAD_LIMITS.minRunPieces * LAYOUT.pieceLength);
  t.is(window(10e9, 1), 2 * DOWNLOAD_LIMITS.maxRunBytes);
});
