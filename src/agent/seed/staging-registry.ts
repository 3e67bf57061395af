import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RegistryImage } from '../../copy/registry-image.ts';
import { parseManifest, linkedDescriptors } from '../../oci/manifest.ts';
import { EmbeddedOrigin } from '../../origin/embedded.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { Registry, type RegistryCounters } from '../../registry/registry.ts';
import type { Staging } from '../../seed/engine-source.ts';
import type { Store } from '../../store/store.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';

export interface StagingOptions {
  readonly store: Store;
  readonly exchange: BlobExchange;
  readonly log: { debug(message: string): void; info(message: string): void; warn(message: string): void };
  readonly tempFolder: string;
  /** What the image will be called at the origin: exclusions go by it. */
  readonly repository: string;
  readonly tag: string;
}

const noop = (): void => undefined;
const NO_COUNTERS: RegistryCounters = {
  answered: noop,
  sentToClient: noop,
  cut: noop,
  refused: noop,
  manifestServed: () => '',
  manifestFailed: noop,
  blobServed: () => undefined,
  pullOf: () => undefined,
  blobFailed: noop,
  storeRefused: noop,
  storeRefusal: () => undefined,
  vouchedToClient: noop,
  staleTag: noop,
};

/** A registry on loopback that lives for one push of the Docker Engine; what is pushed goes into the node's store. */
export async function openStaging({ store, exchange, log, tempFolder, repository, tag }: StagingOptions): Promise<Staging> {
  const { blobs, images } = store;
  const peerId = `staging${randomBytes(8).toString('hex')}`;
  const uploadsFolder = await mkdtemp(join(tempFolder, 'staging-'));
  const origin = new EmbeddedOrigin({
    peerId,
    images,
    now: Date.now,
    // what is staged is no content of an origin yet: it may be evicted as any other
    store: {
      size: (digest) => blobs.size(digest),
      open: (digest) => blobs.open(digest),
      delete: (digest) => blobs.delete(digest),
      write: (source, options) => blobs.write(source, { ...options, origin: false }),
    },
  });
  const registry = new Registry({
    server: { listen: { host: '127.0.0.1', port: 0 } },
    content: { store: blobs, images, exchange },
    own: {
      origin: () => origin,
      registryName: () => registryNameOf(origin.url),
      aliases: () => [],
      tagMemory: () => Promise.resolve(undefined),
      isExcluded: () => false,
    },
    embedded: { origin, uploadsFolder },
    log,
    counters: NO_COUNTERS,
  });
  await registry.start();
  const full = `${registryNameOf(origin.url)}/${repository}`;
  return {
    name: { repository: `${new URL(registry.url).host}/${repository}`, tag },
    async image() {
      return new RegistryImage({ registry: origin, repository, reference: await origin.resolveTag(repository, tag) });
    },
    async close() {
      await registry.stop(0);
      const pushed = images.tag(full, tag);
      const raw = pushed === undefined ? undefined : await images.manifest(full, pushed.digest);
      if (raw !== undefined) {
        await images.deleteManifest(full, raw.digest);
        for (const { digest } of linkedDescriptors(parseManifest(raw.bytes, raw.mediaType)).blobs) images.unlink(full, digest);
      }
      await rm(uploadsFolder, { recursive: true, force: true });
    },
  };
}
