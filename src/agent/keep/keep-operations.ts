import type { Handlers } from '../../control/control-server.ts';
import type { GcOptions, GcReport } from '../../store/care/garbage.ts';
import type { Pinner } from './pinner.ts';
import type { Purger } from './purger.ts';
import { verifyAndRepair, type RepairParts } from './repair.ts';

export interface KeepParts extends RepairParts {
  readonly pinner: Pinner;
  readonly purger: Purger;
  /** With the configured limits, where none are given. */
  readonly gc: (options: GcOptions, signal: AbortSignal) => Promise<GcReport>;
}

/** What keeps, removes, checks and cleans the store. */
export function keepHandlers(parts: KeepParts): Pick<Handlers, 'pins' | 'pin' | 'unpin' | 'purge' | 'gc' | 'verify'> {
  const { pinner, purger } = parts;
  return {
    pins: async () => ({ pins: pinner.list() }),

    pin: async (request, { signal }) => await pinner.pin(request, signal),

    unpin: async (request, { signal }) => await pinner.unpin(request, signal),

    purge: async ({ reference, everywhere = false, zone, dryRun = false }, { signal }) =>
      await purger.purge(reference, { everywhere: everywhere || zone !== undefined, zone, dryRun, signal }),

    gc: async ({ maxAgeMs, targetBytes, dryRun = false }, { signal }) => {
      const { removed, bytes } = await parts.gc(
        { dryRun, ...(maxAgeMs === undefined ? {} : { maxAgeMs }), ...(targetBytes === undefined ? {} : { targetBytes }) },
        signal,
      );
      return { dryRun, removed: removed.map(({ digest, size, kind }) => ({ digest: digest.toString(), bytes: size, kind })), bytes };
    },

    verify: async ({ dryRun = false, repair = true }, { signal, progress }) =>
      await verifyAndRepair(parts, { dryRun, repair, signal, onProgress: progress }),
  };
}
