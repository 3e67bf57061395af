import test from 'ava';
import { Puller, type ManifestResolver, type PullOptions } from '../../../../src/agent/pull/puller.ts';
import type { PullProgress } from '../../../../src/control/pull-operation.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import { rawManifest, type RawManifest } from '../../../../src/oci/manifest.ts';
import { MediaType } from '../../../../src/oci/media-type.ts';
import { Reference } from '../../../../src/oci/reference.ts';
import type { BlobExchange, BlobRequest, TransferStatus } from '../../../../src/swarm/swarm.ts';

interface World {
  readonly manifests: Map<string, RawManifest>;
  readonly stored: Map<string, number>;
  readonly requests: BlobRequest[];
  released: number;
  stale: boolean;
  /** What the exchange does with a blob; at once done when absent. */
  outcome?: (request: BlobRequest) => Promise<void>;
}

function world(): World {
  return { manifests: new Map(), stored: new Map(), requests: [], released: 0, stale: false };
}

function descriptor(text: string, mediaType: string = MediaType.ociLayer): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: Digest.of(Buffer.from(text)).toString(), size: text.length };
}

function addManifest(into: World, document: object, tag?: string): RawManifest {
  const { raw } = rawManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...document })));
  into.manifests.set(raw.digest.toString(), raw);
  if (tag !== undefined) into.manifests.set(tag, raw);
  return raw;
}

function addImage(
  into: World,
  name: string,
  tag?: string,
  layers: readonly object[] = [descriptor(`${name} layer 1`), descriptor(`${name} layer two`)],
): RawManifest {
  return addManifest(into, { mediaType: MediaType.ociManifest, config: descriptor(`${name} config`, MediaType.ociConfig), layers }, tag);
}

function puller(w: World, isExcluded = (): boolean => false): Puller {
  const resolver: ManifestResolver = {
    manifest: async (_repository, reference) => {
      const raw = w.manifests.get(reference);
      if (raw === undefined) throw new LayerswarmError('not-found', `${reference} is not there`);
      return { raw, tag: reference.includes(':') ? undefined : { kind: w.stale ? 'stale' : 'fresh' } };
    },
  };
  const exchange: BlobExchange = {
    fetch: (request) => {
      w.requests.push(request);
      const outcome = w.outcome?.(request) ?? Promise.resolve();
      const status = (): TransferStatus => ({
        digest: request.digest,
        repository: request.repository,
        sizeBytes: request.size,
        haveBytes: request.size!,
        fromOriginBytes: 1,
        fromPeers: new Map([['peer-a', request.size! - 1]]),
        bytesPerSecond: 10,
        stalls: 1,
        retries: 2,
        state: 'done',
        startedAt: 0,
      });
      return {
        digest: request.digest,
        size: async () => request.size!,
        done: () => outcome,
        progress: status,
        vouchedPiece: () => Promise.resolve(undefined),
        read: () => {
          throw new Error('nobody reads');
        },
        release: () => {
          w.released++;
        },
      };
    },
    findable: async () => true,
    readHeld: () => {
      throw new Error('what is pulled is kept');
    },
    transfers: () => [],
  };
  return new Puller({
    upstreamOf: () => ({ resolver, exchange }),
    store: { size: (digest) => w.stored.get(digest.toString()) },
    isExcluded,
  });
}

function pull(w: World, options: Partial<PullOptions> & { reference?: string; excluded?: boolean } = {}): ReturnType<Puller['pull']> {
  const reference = Reference.parse(options.reference ?? 'registry.example/team/app:v1');
  return puller(w, () => options.excluded === true).pull(
    { reference, name: reference.repository, full: reference.name },
    { signal: AbortSignal.timeout(60_000), ...options },
  );
}

test('fetches the config and every layer once, and adds them up in the receipt', async (t) => {
  const w = world();
  const same = descriptor('a layer twice');
  const image = addImage(w, 'app', 'v1', [same, same, descriptor('another')]);
  const receipt = await pull(w);
  t.is(w.requests.length, 3);
  t.is(w.released, 3);
  t.true(w.requests.every(({ repository, shared }) => repository === 'team/app' && shared === true));
  const blobBytes = 'app config'.length + 'a layer twice'.length + 'another'.length;
  t.like(receipt, {
    reference: 'registry.example/team/app:v1',
    digest: image.digest.toString(),
    bytes: blobBytes + image.bytes.length,
    fromStoreBytes: 0,
    fromOriginBytes: 3,
    fromPeersBytes: blobBytes - 3,
    stalls: 3,
    retries: 6,
    verified: true,
    stale: false,
  });
  t.deepEqual(receipt.peers, { 'peer-a': blobBytes - 3 });
  t.deepEqual(
    receipt.phases.map(({ name }) => name),
    ['resolve', 'manifests', 'blobs'],
  );
  t.is(receipt.blobs.length, 3);
});

test('what is here already is not fetched, and counted as such', async (t) => {
  const w = world();
  addImage(w, 'app', 'v1');
  const here = descriptor('app layer 1');
  w.stored.set(here.digest, here.size);
  const receipt = await pull(w);
  t.is(w.requests.length, 2);
  t.is(receipt.fromStoreBytes, here.size);
  t.is(receipt.blobs.find(({ digest }) => digest === here.digest)?.source, 'store');
});

test('foreign layers are left out: registries need not hold them', async (t) => {
  const w = world();
  addImage(w, 'app', 'v1', [
    descriptor('own'),
    { ...descriptor('foreign', MediaType.dockerForeignLayer), urls: ['https://elsewhere.example/x'] },
  ]);
  await pull(w);
  t.deepEqual(
    w.requests.map(({ size }) => size),
    ['app config'.length, 'own'.length],
  );
});

test('an excluded repository is read from the origin only', async (t) => {
  const w = world();
  addImage(w, 'app', 'v1');
  await pull(w, { excluded: true });
  t.true(w.requests.every(({ shared }) => shared === false));
});

test('a stale tag is said in the receipt', async (t) => {
  const w = world();
  w.stale = true;
  addImage(w, 'app', 'v1');
  t.true((await pull(w)).stale);
});

function addIndex(w: World): void {
  const platforms = [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
    { os: 'linux', architecture: 's390x' },
  ];
  const manifests = platforms.map((platform) => {
    const { digest, mediaType, bytes } = addImage(w, platform.architecture);
    return { mediaType, digest: digest.toString(), size: bytes.length, platform };
  });
  addManifest(w, { mediaType: MediaType.ociIndex, manifests }, 'v1');
}

for (const [platform, blobs] of [
  [{ os: 'linux', architecture: 's390x' }, 3],
  ['all', 9],
] as const) {
  test(`of an index it takes ${platform === 'all' ? 'every image when asked to' : 'the image of the platform'}`, async (t) => {
    const w = world();
    addIndex(w);
    await pull(w, { platforms: platform === 'all' ? 'all' : [platform] });
    t.is(w.requests.length, blobs);
  });
}

test('a platform that is not there is said, with those that are', async (t) => {
  const w = world();
  addIndex(w);
  await t.throwsAsync(pull(w, { platforms: [{ os: 'linux', architecture: 'riscv64' }] }), {
    code: 'not-found',
    message: /not there for linux\/riscv64: it has linux\/amd64, linux\/arm64, linux\/s390x; choose one with --platform/,
  });
});

test('an index that holds itself through others ends with an error', async (t) => {
  const w = world();
  let inner = addImage(w, 'app');
  for (let depth = 0; depth < 6; depth++)
    inner = addManifest(
      w,
      {
        mediaType: MediaType.ociIndex,
        manifests: [{ mediaType: inner.mediaType, digest: inner.digest.toString(), size: inner.bytes.length }],
      },
      'v1',
    );
  await t.throwsAsync(pull(w, { platforms: 'all' }), { code: 'manifest-invalid', message: /indexes within indexes/ });
});

test('one blob that fails ends the pull at once, and all are released', async (t) => {
  const w = world();
  addImage(w, 'app', 'v1');
  const bad = descriptor('app layer 1').digest;
  w.outcome = (request) =>
    request.digest.toString() === bad ? Promise.reject(new LayerswarmError('disk-full', 'no room')) : new Promise(() => undefined);
  await t.throwsAsync(pull(w), { code: 'disk-full' });
  t.is(w.released, w.requests.length);
});

test('a caller that gives up ends the pull, and all are released', async (t) => {
  const w = world();
  addImage(w, 'app', 'v1');
  w.outcome = () => new Promise(() => undefined);
  const controller = new AbortController();
  const onProgress = (progress: PullProgress): void => {
    if (progress.kind === 'blobs' && progress.blobs.some(({ state }) => state !== 'waiting'))
      controller.abort(new LayerswarmError('aborted', 'enough'));
  };
  await t.throwsAsync(pull(w, { signal: controller.signal, onProgress }), { code: 'aborted' });
  t.is(w.released, w.requests.length);
});
