import type { ExecutionContext, TestFn } from 'ava';
import * as fc from 'fast-check';
import { Grade, type BlobStore, type PartialBlob } from '../../../src/store/blob-store.ts';
import { prefixDigest, readAll, sample } from './conformance.ts';

type Step =
  /** Writes [from, to) of a piece, as parts of 1, and completes it when the last part is there. */
  | { readonly kind: 'write'; readonly piece: number; readonly cut: number; readonly wrong: boolean; readonly wait: boolean }
  | { readonly kind: 'discard'; readonly pieces: readonly number[] }
  | { readonly kind: 'advance' }
  | { readonly kind: 'reopen'; readonly factor: number };

const fraction = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

function steps(pieceCount: number): fc.Arbitrary<Step[]> {
  const piece = fc.nat(Math.max(0, pieceCount - 1));
  return fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ kind: fc.constant('write' as const), piece, cut: fraction, wrong: fc.boolean(), wait: fc.boolean() }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('discard' as const), pieces: fc.array(piece, { maxLength: 3 }) }) },
      { weight: 3, arbitrary: fc.constant({ kind: 'advance' as const }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), factor: fc.constantFrom(1, 1, 2, 3) }) },
    ),
    { maxLength: 60 },
  );
}

const shapes = fc
  .record({
    size: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 60_000, max: 400_000 })),
    algorithm: fc.constantFrom('sha256' as const, 'sha512' as const),
    pieces: fc.integer({ min: 1, max: 24 }),
  })
  .chain(({ size, algorithm, pieces }) => {
    const pieceLength = Math.ceil(size / pieces);
    return steps(Math.ceil(size / pieceLength)).map((plan) => ({ size, algorithm, pieceLength, plan }));
  });

/** What every `PartialBlob` must do; `makeStore` gives an empty store that syncs often. */
export function partialBlobConformance(test: TestFn, name: string, makeStore: (t: ExecutionContext) => Promise<BlobStore>): void {
  test(`${name}: whatever arrives in whatever order, the prefix digests are those of the bytes on disk and the verdict is theirs`, async (t) => {
    const blobs = await makeStore(t);

    await fc.assert(
      fc.asyncProperty(shapes, async ({ size, algorithm, pieceLength, plan }) => {
        const { bytes, digest } = sample(size, algorithm);
        const wrong = Buffer.from(bytes.map((byte) => byte ^ 0xff));
        let partial = await blobs.openPartial(digest, size, pieceLength);
        let told = watchCheckpoints(partial);
        const under: Promise<void>[] = [];

        const write = async (piece: number, source: Buffer, cut: number): Promise<void> => {
          const start = piece * partial.pieceLength;
          const end = Math.min(size, start + partial.pieceLength);
          const middle = start + Math.floor((end - start) * cut);
          await partial.write(start, source.subarray(start, middle));
          if (middle < end) await partial.write(middle, source.subarray(middle, end));
          partial.complete(piece, Grade.received);
        };
        const settle = async (): Promise<void> => {
          await Promise.all(under.splice(0));
          await partial.advance();
        };

        try {
          for (const step of plan) {
            if (step.kind === 'write') {
              if (step.piece >= partial.pieceCount) continue;
              const writing = write(step.piece, step.wrong ? wrong : bytes, step.cut);
              if (step.wait) await writing;
              else under.push(writing);
            } else if (step.kind === 'advance') {
              under.push(partial.advance());
            } else if (step.kind === 'discard') {
              await Promise.all(under.splice(0));
              await partial.discard(step.pieces.filter((piece) => piece < partial.pieceCount));
              told.rewind();
            } else {
              await settle();
              const { pieceLength: before } = partial;
              const grades = Array.from({ length: partial.pieceCount }, (_, piece) => partial.grade(piece));
              await partial.close();
              partial = await blobs.openPartial(digest, size, before * step.factor);
              told = watchCheckpoints(partial);
              for (let piece = 0; piece < partial.pieceCount; piece++) {
                t.is(partial.grade(piece), Math.min(...grades.slice(piece * step.factor, (piece + 1) * step.factor)) as Grade);
              }
            }
            await checkPrefix(partial, told.digests);
          }
          await settle();
          await checkPrefix(partial, told.digests);

          for (let piece = 0; piece < partial.pieceCount; piece++) {
            if (partial.grade(piece) === Grade.missing) await write(piece, bytes, 1);
          }
          await partial.advance();
          const onDisk = await partial.read(0, size);
          t.is(partial.verdict, onDisk.equals(bytes));
          await partial.discard(
            Array.from({ length: partial.pieceCount }, (_, piece) => piece).filter((piece) => {
              const start = piece * partial.pieceLength;
              return !onDisk.subarray(start, start + partial.pieceLength).equals(bytes.subarray(start, start + partial.pieceLength));
            }),
          );
          for (let piece = 0; piece < partial.pieceCount; piece++) {
            if (partial.grade(piece) === Grade.missing) await write(piece, bytes, 0.5);
          }
          await partial.advance();
          t.true(partial.verdict);
          await partial.commit();
          t.true((await readAll(blobs, digest)).equals(bytes));
        } finally {
          await Promise.allSettled(under);
          await partial.close();
          await blobs.delete(digest);
        }
      }),
      { numRuns: 150 },
    );

    /** What the hash says of the prefix must be true of the file. */
    async function checkPrefix(partial: PartialBlob, told: readonly Buffer[]): Promise<void> {
      const digests = [...partial.prefixDigests];
      const { hashedBytes, checkpointLength } = partial;
      t.deepEqual(told, digests.slice(0, told.length));
      const onDisk = await partial.read(0, hashedBytes);
      for (const [index, digest] of digests.entries()) {
        t.true(digest.equals(prefixDigest(onDisk, (index + 1) * checkpointLength, partial.digest.algorithm)), `checkpoint ${index}`);
      }
    }
  });
}

/** Checkpoints as they are told; they come in order, and again after a rewind. */
function watchCheckpoints(partial: PartialBlob): { readonly digests: Buffer[]; rewind(): void } {
  const digests: Buffer[] = [];
  partial.onCheckpoint = (index, digest) => {
    digests.length = index;
    digests.push(digest);
  };
  return {
    digests,
    rewind() {
      digests.length = Math.min(digests.length, partial.prefixDigests.length);
    },
  };
}
