import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CopyTarget } from '../../copy/copy-target.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { EmbeddedOrigin } from '../../origin/embedded.ts';
import { EmbeddedWriter } from '../../origin/embedded-writer.ts';
import type { Origin } from '../../origin/origin.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { RegistryOrigin } from '../../origin/registry-origin.ts';
import { KnownImages } from '../../seed/known-images.ts';
import type { SeedOrigin } from '../../seed/seed-origin.ts';
import { Seeder } from '../../seed/seeder.ts';
import type { Store } from '../../store/store.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import { isLoopbackHost } from '../config/config.ts';
import { openStaging } from './staging-registry.ts';

export interface SeedingParts {
  readonly data: string;
  readonly store: Store;
  readonly exchange: BlobExchange;
  readonly origin: () => Origin | undefined;
  /** Registries that the origin stands for, and `host:port` of this node's own endpoint. */
  readonly mirrors: () => readonly string[];
  readonly endpoint: () => string;
  readonly log: Logger;
}

export interface Seeding extends AsyncDisposable {
  readonly seeder: Seeder;
}

/** What `layerswarm seed` works with. */
export async function makeSeeding({ data, store, exchange, origin, mirrors, endpoint, log }: SeedingParts): Promise<Seeding> {
  const tempFolder = join(data, 'seeding');
  await rm(tempFolder, { recursive: true, force: true });
  await mkdir(tempFolder, { mode: 0o700 });
  const known = new KnownImages(join(data, 'seeded.sqlite'));
  const targets = new WeakMap<Origin, CopyTarget>();
  const seeder = new Seeder({
    blobs: store.blobs,
    images: store.images,
    origin: () => seedOrigin(origin(), targets),
    isOwnName: (registry) => mirrors().includes(registry) || registry === endpoint(),
    otherRegistry: (host) => new RegistryOrigin({ url: `${isLoopbackHost(host.replace(/:\d+$/, '')) ? 'http' : 'https'}://${host}` }),
    known,
    openStaging: (repository, tag) => openStaging({ store, exchange, log, tempFolder, repository, tag }),
    convert: async (disk, folder, signal) => {
      const { convertToLayout } = await import('../../convert/convert.ts');
      return (await convertToLayout(disk, folder, { signal })).name;
    },
    tempFolder,
    now: Date.now,
  });
  return {
    seeder,
    async [Symbol.asyncDispose]() {
      known.close();
      await rm(tempFolder, { recursive: true, force: true });
    },
  };
}

function seedOrigin(origin: Origin | undefined, targets: WeakMap<Origin, CopyTarget>): SeedOrigin {
  if (origin === undefined)
    throw new LayerswarmError(
      'origin-unknown',
      'this node does not know its origin yet: give it one with --origin, or wait until it has met a member that knows it',
    );
  let target = targets.get(origin);
  if (target === undefined) {
    target = new CopyTarget({ reader: origin, writer: writerOf(origin) });
    targets.set(origin, target);
  }
  return { registry: origin, target, registryName: registryNameOf(origin.url), embedded: origin instanceof EmbeddedOrigin };
}

function writerOf(origin: Origin): CopyTarget['writer'] {
  if (origin instanceof EmbeddedOrigin) return new EmbeddedWriter(origin);
  if (origin instanceof RegistryOrigin) return origin.writer;
  throw new LayerswarmError('unsupported', `the origin is ${origin.url}, a member of the swarm: run "layerswarm seed" on that host`);
}
