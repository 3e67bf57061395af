import { open, type FileHandle } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { MAX_PIECES, PartialStateFile, pieceCountOf, type PartialState } from './partial-state.ts';
import { isMissing } from '../store-error.ts';

export interface OpenPartialFiles {
  readonly data: FileHandle;
  readonly stateFile: PartialStateFile;
  readonly state: PartialState;
}

/**
 * Opens the two files of an unfinished blob, made where they are missing, with the grades that can be believed.
 * @throws `range-invalid` for a piece length that gives too many pieces
 */
export async function openPartialFiles(
  paths: { data: string; state: string },
  digest: Digest,
  size: number,
  pieceLength: number,
): Promise<OpenPartialFiles> {
  checkShape(size, pieceLength);
  const { file: stateFile, state: saved } = await PartialStateFile.open(paths.state, digest);
  let data: FileHandle | undefined;
  try {
    const { handle, whole } = await openData(paths.data, size);
    data = handle;
    const believed = whole && saved?.size === size ? saved : undefined;
    const grades = believed === undefined ? new Uint8Array(pieceCountOf(size, pieceLength)) : regrade(believed, pieceLength);
    const state = { digest, size, pieceLength, grades };
    // a state of another shape must not come back beside new bytes
    if (saved !== undefined && believed?.pieceLength !== pieceLength) await stateFile.save(state, true);
    return { data, stateFile, state };
  } catch (error) {
    await stateFile.close();
    await data?.close();
    throw error;
  }
}

function checkShape(size: number, pieceLength: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new LayerswarmError('range-invalid', `expected a size in bytes, received ${size}`);
  if (!Number.isSafeInteger(pieceLength) || pieceLength < 1 || pieceCountOf(size, pieceLength) > MAX_PIECES) {
    throw new LayerswarmError(
      'range-invalid',
      `expected a piece length that gives at most ${MAX_PIECES} pieces of ${size} bytes, received ${pieceLength}`,
    );
  }
}

/** Opens the data file at its full length, as a hole where nothing was written; `whole` when it had that length before. */
async function openData(path: string, size: number): Promise<{ handle: FileHandle; whole: boolean }> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r+');
  } catch (error) {
    if (!isMissing(error)) throw error;
    handle = await open(path, 'w+', 0o600);
  }
  try {
    const whole = (await handle.stat()).size === size;
    if (!whole) {
      await handle.truncate(0);
      await handle.truncate(size);
    }
    return { handle, whole };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The grades for another piece length: a piece is worth what its worst byte is. */
function regrade(state: PartialState, pieceLength: number): Uint8Array {
  if (state.pieceLength === pieceLength) return state.grades;
  return Uint8Array.from({ length: pieceCountOf(state.size, pieceLength) }, (_, piece) => {
    const first = Math.floor((piece * pieceLength) / state.pieceLength);
    const end = Math.ceil(Math.min(state.size, (piece + 1) * pieceLength) / state.pieceLength);
    return Math.min(...state.grades.subarray(first, end));
  });
}
