import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import { runProgram, type Surroundings } from '../program/run-program.ts';

/**
 * Brings an ext file system up to its newest data, on the overlay. Read past its journal (noload, norecovery) it would give
 * stale data without an error.
 */
export async function replayExtJournal(
  where: Surroundings,
  volume: Volume,
  filesystem: FileSystem,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (filesystem.kind !== 'ext' || !filesystem.dirty) return;
  const device = volume.offset === 0 ? volume.file : `${volume.file}?offset=${volume.offset}`;
  // 1: errors were corrected, which the replay is.
  const okCodes = [0, 1];
  try {
    await runProgram(where, 'e2fsck', ['-E', 'journal_only', '-y', device], { signal, okCodes });
  } catch (error) {
    signal?.throwIfAborted();
    // e2fsck 1.47 replays fast commits, does not bring the checksums up to them, and then refuses its own work: a whole check does that.
    await runProgram(where, 'e2fsck', ['-f', '-y', device], { signal, okCodes }).catch(() => {
      throw error;
    });
  }
}
