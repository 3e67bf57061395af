import { join } from 'node:path';
import { EmbeddedOrigin } from '../../src/origin/embedded.ts';
import type { Origin } from '../../src/origin/origin.ts';
import { registryNameOf } from '../../src/origin/registry-name.ts';
import {
  type OwnRegistry,
  Registry,
  type RegistryCounters,
  type RegistryOptions,
  type RegistryServer,
} from '../../src/registry/registry.ts';
import type { BlobStore } from '../../src/store/blob-store.ts';
import type { ImageStore } from '../../src/store/images/image-store.ts';
import { openStore } from '../../src/store/store.ts';
import type { Cleanup } from './cleanup.ts';
import { DirectExchange } from './direct-exchange.ts';
import { tempDir } from './temp-dir.ts';

/** The registry endpoint of one node without a swarm. */
export interface RegistryNode {
  readonly url: string;
  /** host:port. */
  readonly host: string;
  readonly registry: Registry;
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly exchange: DirectExchange;
  readonly counters: RecordingCounters;
  readonly clock: TestClock;
  readonly folder: string;
  /** Where the node is the origin itself. */
  readonly embedded: EmbeddedOrigin | undefined;
}

export interface TestClock {
  /** Milliseconds since the epoch. */
  now: number;
}

export interface RecordingCounters extends RegistryCounters {
  readonly answers: { route: string; method: string; status: number }[];
  readonly cuts: string[];
  readonly refusals: string[];
  readonly log: string[];
  stale: number;
  readonly storeRefusals: string[];
  sentBytes: number;
  vouchedBytes: number;
}

export interface RegistryNodeOptions extends Partial<
  Pick<OwnRegistry, 'aliases' | 'tagMemory' | 'isExcluded'> & RegistryServer & Pick<RegistryOptions, 'mirrors' | 'timing' | 'lazyRanges'>
> {
  /** `embedded`, or the origin; undefined for none. */
  readonly origin: 'embedded' | Origin | undefined;
  readonly folder?: string;
  /** Stands for the store where a test needs one that fails. */
  readonly wrapStore?: (store: BlobStore) => BlobStore;
}

const PATIENT_MS = 60_000;
export const TEST_PEER_ID = '12D3KooWTestPeer';

export async function startRegistryNode(cleanup: Cleanup, options: RegistryNodeOptions): Promise<RegistryNode> {
  const folder = options.folder ?? tempDir(cleanup, 'node');
  const clock: TestClock = { now: Date.now() };
  const now = (): number => clock.now;
  const opened = await openStore(folder, { reserveBytes: 0, now });
  cleanup.teardown(() => opened.close());
  const store = options.wrapStore?.(opened.blobs) ?? opened.blobs;
  const { images } = opened;
  const embedded = options.origin === 'embedded' ? new EmbeddedOrigin({ peerId: TEST_PEER_ID, store, images, now }) : undefined;
  const origin = options.origin === 'embedded' ? embedded : options.origin;
  const exchange = new DirectExchange(store, () => origin);
  const counters = recordingCounters();
  const record = (message: string): void => {
    counters.log.push(message);
  };
  const {
    listen = { host: '127.0.0.1', port: 0 },
    aliases = () => [],
    tagMemory = () => Promise.resolve(undefined),
    isExcluded = () => false,
  } = options;
  const registry = new Registry({
    // a busy machine is no fault; tests of time-outs set them
    server: { deadlineMs: PATIENT_MS, ...options, listen },
    content: { store, images, exchange },
    own: {
      origin: () => origin,
      registryName: () => (origin === undefined ? undefined : registryNameOf(origin.url)),
      aliases,
      tagMemory,
      isExcluded,
    },
    ...(options.mirrors && { mirrors: options.mirrors }),
    ...(options.lazyRanges !== undefined && { lazyRanges: options.lazyRanges }),
    timing: { originTimeout: PATIENT_MS, memoryTimeout: PATIENT_MS, headStart: PATIENT_MS, manifestTimeout: PATIENT_MS, ...options.timing },
    ...(embedded === undefined ? {} : { embedded: { origin: embedded, uploadsFolder: join(folder, 'uploads') } }),
    log: { debug: record, warn: record },
    counters,
    now,
  });
  await registry.start();
  cleanup.teardown(() => registry.stop(0));
  return { url: registry.url, host: new URL(registry.url).host, registry, store, images, exchange, counters, clock, folder, embedded };
}

function recordingCounters(): RecordingCounters {
  const counters: RecordingCounters = {
    answers: [],
    cuts: [],
    refusals: [],
    log: [],
    stale: 0,
    sentBytes: 0,
    vouchedBytes: 0,
    storeRefusals: [],
    answered: (route, method, status) => void counters.answers.push({ route, method, status }),
    sentToClient: (bytes) => void (counters.sentBytes += bytes),
    cut: (reason) => void counters.cuts.push(reason),
    refused: (kind) => void counters.refusals.push(kind),
    staleTag: () => void counters.stale++,
    vouchedToClient: (bytes) => void (counters.vouchedBytes += bytes),
    storeRefusal: () => undefined,
    storeRefused: ({ message }) => void counters.storeRefusals.push(message),
    manifestServed: () => 'pull-1',
    manifestFailed: () => undefined,
    blobServed: () => undefined,
    pullOf: () => undefined,
    blobFailed: () => undefined,
  };
  return counters;
}
