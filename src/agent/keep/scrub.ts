import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { VerifyReport } from '../../control/keep-operation.ts';
import type { Logger } from '../../log.ts';
import { readStateFile, writeStateFile } from '../../swarm/network/state-file.ts';

/** How often it is looked whether a scrub is due: restarts must not put it off. */
export const SCRUB_LOOK_MS = 3_600_000;
/** Reading a blob is followed by so many times its own time of rest. */
const REST = 9;

const stateSchema = z.object({ scrubbedAt: z.int().min(0) });

export interface ScrubParts {
  readonly path: string;
  /** 0: never. */
  readonly intervalMs: number;
  /** Reads everything again, and mends what is wrong; `rest` after each blob. */
  readonly verify: (signal: AbortSignal, rest: (tookMs: number) => Promise<void>) => Promise<VerifyReport>;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Reads the whole store again where the last time is long enough ago: a disk loses bits without a word. Never throws. */
export async function scrubWhenDue({ path, intervalMs, verify, log, now }: ScrubParts, signal: AbortSignal): Promise<void> {
  if (intervalMs === 0) return;
  try {
    const before = await readStateFile(path, stateSchema);
    // a clock that was set back does not put it off for ever
    if (before !== undefined && Math.abs(now() - before.scrubbedAt) < intervalMs) return;
    // of a store that is new nothing is old
    if (before !== undefined) report(await verify(signal, (tookMs) => delay(tookMs * REST, undefined, { signal })), log);
    await writeStateFile(path, { scrubbedAt: now() });
  } catch (error) {
    if (!signal.aborted) log.error('cannot check the store', { reason: String(error) });
  }
}

function report({ blobs, bytes, corrupt, repaired, unrepaired }: VerifyReport, log: Logger): void {
  if (corrupt.length === 0) log.info('read the whole store again: every blob is right', { blobs, bytes });
  else
    log.error('read the whole store again: the disk gave wrong bytes', {
      corrupt: corrupt.length,
      repaired: repaired.length,
      unrepaired: unrepaired.length,
    });
}
