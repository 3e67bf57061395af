import type { Handlers } from '../control/control-server.ts';
import type { GcOptions, GcReport } from '../store/garbage.ts';
import type { Store } from '../store/store.ts';
import type { CopyKeeper } from './copy-keeper.ts';
import { blobsOfImage } from './copies.ts';
import type { CopyTargets } from './copy-targets.ts';
import { parseImageName, type ImageNameOptions } from './image-name.ts';
import type { UpstreamOf } from './puller.ts';
import type { Purger } from './purger.ts';
import { verifyAndRepair, type RepairParts } from './repair.ts';

export interface KeepParts extends RepairParts {
  readonly store: Store;
  readonly upstreamOf: UpstreamOf;
  readonly names: ImageNameOptions;
  readonly purger: Purger;
  readonly targets: CopyTargets;
  readonly keeper: CopyKeeper;
  /** With the configured limits, where none are given. */
  readonly gc: (options: GcOptions, signal: AbortSignal) => Promise<GcReport>;
}

/** What keeps, removes, checks and cleans the store. */
export function keepHandlers(parts: KeepParts): Pick<Handlers, 'pins' | 'pin' | 'unpin' | 'purge' | 'gc' | 'verify'> {
  const { store, names, purger, targets, keeper } = parts;
  const statusOf = (reference: string) => ({ reference, copies: targets.get(reference) ?? null, holders: keeper.holders(reference) ?? null });
  return {
    pins: async () => ({ pins: store.images.pins().map(statusOf) }),

    pin: async ({ reference, copies, dryRun = false }, { signal }) => {
      const image = parseImageName(reference, names);
      const name = image.reference.toString();
      const { raw } = await parts.upstreamOf(image).resolver.manifest(image, image.reference.digest?.toString() ?? image.reference.tag!, signal);
      if (!dryRun) {
        store.images.pin(name);
        if (copies !== undefined) await targets.set(name, copies);
        if (copies !== undefined) await keeper.look(signal);
      }
      const blobs = await blobsOfImage(store.images, raw.digest);
      const here = blobs.filter(({ digest }) => store.blobs.size(digest) !== undefined);
      return { ...statusOf(name), ...(dryRun ? { copies: copies ?? null } : {}), bytes: here.reduce((sum, { size }) => sum + size, 0), complete: blobs.length > 0 && here.length === blobs.length };
    },

    unpin: async ({ reference, dryRun = false }) => {
      const name = parseImageName(reference, names).reference.toString();
      if (dryRun) return { reference: name, wasPinned: store.images.pins().includes(name) };
      await targets.delete(name);
      return { reference: name, wasPinned: store.images.unpin(name) };
    },

    purge: async ({ reference, everywhere = false, zone, dryRun = false }, { signal }) => await purger.purge(reference, { everywhere: everywhere || zone !== undefined, zone, dryRun, signal }),

    gc: async ({ maxAgeMs, targetBytes, dryRun = false }, { signal }) => {
      const { removed, bytes } = await parts.gc({ dryRun, ...(maxAgeMs === undefined ? {} : { maxAgeMs }), ...(targetBytes === undefined ? {} : { targetBytes }) }, signal);
      return { dryRun, removed: removed.map(({ digest, size, kind }) => ({ digest: digest.toString(), bytes: size, kind })), bytes };
    },

    verify: async ({ dryRun = false, repair = true }, { signal, progress }) => await verifyAndRepair(parts, { dryRun, repair, signal, onProgress: progress }),
  };
}
