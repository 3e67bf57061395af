import { createHash, randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { Grade, type PartialBlob } from '../../../../src/store/blob-store.ts';
import { openStore } from '../../../../src/store/store.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import { PieceWriter, type PieceTarget } from '../../../../src/swarm/exchange/piece-writer.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const PIECE = 64 * 1024;
const SIZE = 40 * PIECE + 1000;
const PIECES = 41;
const BYTES = randomBytes(SIZE);
const WRONG = Buffer.from(BYTES.map((byte) => byte ^ 0xff));

interface Fixture {
  readonly partial: PartialBlob;
  /** A sender from `start` on, and the pieces that it brought. */
  readonly sender: (
    start: number,
    hashed?: boolean,
  ) => {
    readonly target: PieceTarget;
    readonly pieces: number[];
    readonly hashes: (Buffer | undefined)[];
    readonly write: (bytes: Buffer, end: number, step?: number) => Promise<void>;
  };
}

async function fixture(t: ExecutionContext): Promise<Fixture> {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  const partial = await store.blobs.openPartial(Digest.of(BYTES), SIZE, PIECE);
  const writer = new PieceWriter(partial, new PieceLayout(SIZE, PIECE), {
    has: (piece) => partial.grade(piece) !== Grade.missing,
    failed: (error) => {
      throw error;
    },
  });
  return {
    partial,
    sender: (start, hashed = false) => {
      const pieces: number[] = [];
      const hashes: (Buffer | undefined)[] = [];
      const target = writer.target(start, {
        hashed,
        onPiece: (piece, sha256) => {
          pieces.push(piece);
          hashes.push(sha256);
          partial.complete(piece, Grade.received);
        },
      });
      let at = start;
      return {
        target,
        pieces,
        hashes,
        write: async (bytes, end, step = 10_007) => {
          for (; at < end; at += step) {
            const part = Buffer.from(bytes.subarray(at, Math.min(end, at + step)));
            await target.write(at, part);
            // The memory is a lane's, which uses it again.
            part.fill(0xdb);
          }
          at = Math.min(at, end);
        },
      };
    },
  };
}

test('a range that comes in odd parts is written, hashed piece by piece, and proven', async (t) => {
  const { partial, sender } = await fixture(t);
  const { hashes, pieces, write } = sender(0, true);
  await write(BYTES, SIZE, 100_003);
  t.deepEqual(
    pieces,
    Array.from({ length: PIECES }, (_, piece) => piece),
  );
  for (const [piece, hash] of hashes.entries())
    t.deepEqual(
      hash,
      createHash('sha256')
        .update(BYTES.subarray(piece * PIECE, (piece + 1) * PIECE))
        .digest(),
    );
  await partial.advance();
  t.true(partial.verdict);
  await partial.commit();
});

test('two senders of the same pieces never mix, and each piece is told once', async (t) => {
  const { partial, sender } = await fixture(t);
  // One of them has other bytes: whichever brought a piece brought all of it.
  const [right, wrong] = [sender(0), sender(0)];
  for (let end = 0; end < SIZE;) {
    end = Math.min(SIZE, end + 90_001);
    await right.write(BYTES, end);
    end = Math.min(SIZE, end + 70_003);
    await wrong.write(WRONG, end);
    await right.write(BYTES, end);
  }
  t.deepEqual(
    [...right.pieces, ...wrong.pieces].sort((x, y) => x - y),
    Array.from({ length: PIECES }, (_, piece) => piece),
  );
  for (const [{ pieces }, expected] of [
    [right, BYTES],
    [wrong, WRONG],
  ] as const) {
    for (const piece of pieces) {
      const [start, end] = [piece * PIECE, Math.min(SIZE, (piece + 1) * PIECE)];
      t.true((await partial.read(start, end - start)).equals(expected.subarray(start, end)), `piece ${piece}`);
    }
  }
  await partial.advance();
  t.is(partial.verdict, wrong.pieces.length === 0);
  // The bytes of a liar are fetched again.
  await partial.discard(wrong.pieces);
  await sender(0).write(BYTES, SIZE);
  await partial.advance();
  t.true(partial.verdict);
});

test('what one sender left half-way another brings', async (t) => {
  const { partial, sender } = await fixture(t);
  const first = sender(0);
  await first.write(BYTES, PIECE + 100);
  t.deepEqual(first.pieces, [0]);
  first.target.release();
  const second = sender(PIECE);
  await second.write(BYTES, SIZE);
  t.is(second.pieces.length, PIECES - 1);
  await partial.advance();
  t.true(partial.verdict);
});

test('bytes that are not the next are refused', async (t) => {
  const { sender } = await fixture(t);
  const { target } = sender(0);
  await target.write(0, BYTES.subarray(0, 10));
  t.throws(() => target.write(0, BYTES.subarray(0, 10)), { instanceOf: RangeError });
});

test('a blob that is closed takes nothing more', async (t) => {
  const { partial, sender } = await fixture(t);
  const { write } = sender(0);
  await write(BYTES, PIECE);
  await partial.close();
  await t.throwsAsync(write(BYTES, SIZE), { code: 'unavailable' });
});
