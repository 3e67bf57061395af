import { join } from 'node:path';
import type { Logger } from '../../log.ts';
import type { GcOptions, GcReport } from '../../store/care/garbage.ts';
import type { DamagedBlob } from '../../store/blobs/disk-blob-store.ts';
import type { Store } from '../../store/store.ts';
import type { AgentConfig } from '../config/config.ts';
import { CopyKeeper } from './copy-keeper.ts';
import { CopyTargets } from './copy-targets.ts';
import type { ContainerdContent } from './containerd-content.ts';
import { keepHandlers } from './keep-operations.ts';
import type { PeerNames } from '../peer-names.ts';
import { Pinner } from './pinner.ts';
import { PrefetchService } from './prefetch-service.ts';
import { Preheat, type PreheatParts } from './preheat.ts';
import { Purger } from './purger.ts';
import { mendDamaged, verifyAndRepair } from './repair.ts';
import { every } from '../schedule.ts';
import { SCRUB_LOOK_MS, scrubWhenDue } from './scrub.ts';

export interface KeepingParts extends Omit<PreheatParts, 'name' | 'zone'> {
  readonly config: Pick<AgentConfig, 'data' | 'name' | 'zone' | 'allow' | 'store'>;
  readonly peers: PeerNames;
  readonly store: Store;
  readonly embedded: boolean;
  readonly containerd: ContainerdContent | undefined;
  /** Closes the blobs that members have read, and do not read just now. */
  readonly closeIdle: () => Promise<void>;
  readonly log: Logger;
}

export interface Keeping extends AsyncDisposable {
  readonly preheat: Preheat;
  readonly handlers: ReturnType<typeof keepHandlers>;
  /** As `StoreOptions.onDamaged`. */
  damaged(blob: DamagedBlob, gone: Promise<void>): void;
}

/** Copies are counted this often, beside when members come and go. */
const COPIES_MS = 60_000;

/** What preheats, keeps, removes and checks images: here, at members' wishes, and on members. @throws `store-format` */
export async function makeKeeping(parts: KeepingParts): Promise<Keeping> {
  const { config, network, peers, store, upstreamOf, names, containerd, log } = parts;
  const { maxAge } = config.store;
  const preheat = new Preheat({ ...parts, name: config.name, zone: config.zone });
  const prefetches = new PrefetchService({
    network,
    allowed: config.allow.prefetch,
    pull: async (...pull) => await preheat.forMember(...pull),
  });
  const purger = new Purger({
    network,
    store,
    name: config.name,
    upstreamOf,
    names,
    containerd,
    allowed: config.allow.purge,
    onRemote: ({ peerId }, image, { removed, bytes }) =>
      log.warn('a member purged an image here', { node: peers.called(peerId), peer: peerId, image, blobs: removed.length, bytes }),
  });
  const targets = await CopyTargets.open(config.data);
  const keeper = new CopyKeeper({ network, store, targets, zone: config.zone, log });
  const pinner = new Pinner({
    network,
    store,
    upstreamOf,
    names,
    targets,
    keeper,
    name: config.name,
    zone: config.zone,
    allowed: config.allow.pin,
    isExcluded: parts.isExcluded,
    onRemote: ({ peerId }, image, pinned) =>
      log.info(pinned ? 'a member pinned an image here' : 'a member unpinned an image here', {
        node: peers.called(peerId),
        peer: peerId,
        image,
      }),
  });
  const gc = async (options: GcOptions, signal: AbortSignal): Promise<GcReport> => {
    await containerd?.checkDuplicates(signal);
    await parts.closeIdle();
    return await store.gc({
      ...(maxAge === 0 ? {} : { maxAgeMs: maxAge }),
      ...(containerd === undefined ? {} : { isHeldElsewhere: (digest) => containerd.isHeld(digest) }),
      ...options,
    });
  };
  const looking = every(COPIES_MS, 'later', (signal) => keeper.look(signal));
  const cleaning = every(config.store.gcInterval, 'later', async (signal) => {
    try {
      const { removed, bytes } = await gc({}, signal);
      if (removed.length > 0) log.info('removed what is old, idle or over the limit', { blobs: removed.length, bytes });
    } catch (error) {
      log.error('cannot clean the store', { reason: String(error) });
    }
  });
  const scrubbing = every(SCRUB_LOOK_MS, 'now', (signal) =>
    scrubWhenDue(
      {
        path: join(config.data, 'scrub.json'),
        intervalMs: config.store.scrubInterval,
        log,
        now: Date.now,
        verify: (aborted, rest) =>
          verifyAndRepair(parts, { dryRun: false, repair: true, signal: aborted, onProgress: () => undefined, rest }),
      },
      signal,
    ),
  );
  const ended = new AbortController();
  const mending = new Set<Promise<void>>();
  const mend = async (blob: DamagedBlob, gone: Promise<void>): Promise<void> => {
    const digest = blob.digest.toString();
    log.error('the disk gave other bytes of a blob than were proven, or could not read it; the copy is put aside and fetched anew', {
      digest,
    });
    const reason = await mendDamaged(parts, blob, gone, { signal: ended.signal }).catch((error: unknown) => String(error));
    if (ended.signal.aborted) return;
    if (reason === undefined) log.info('fetched a damaged blob anew', { digest });
    else log.error('could not fetch a damaged blob anew', { digest, reason });
  };
  return {
    preheat,
    damaged: (blob, gone) => {
      const work = mend(blob, gone).finally(() => {
        mending.delete(work);
      });
      mending.add(work);
    },
    handlers: keepHandlers({ ...parts, purger, pinner, gc }),
    async [Symbol.asyncDispose]() {
      pinner.close();
      ended.abort();
      await Promise.all([
        looking[Symbol.asyncDispose](),
        cleaning[Symbol.asyncDispose](),
        scrubbing[Symbol.asyncDispose](),
        prefetches.close(),
        keeper.close(),
        ...mending,
      ]);
    },
  };
}
