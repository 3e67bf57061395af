import test, { type ExecutionContext } from 'ava';
import { ClientPulls } from '../../../../src/agent/pull/client-pulls.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import { rawManifest, type RawManifest } from '../../../../src/oci/manifest.ts';
import { MediaType } from '../../../../src/oci/media-type.ts';
import type { Receipt } from '../../../../src/status/receipt-document.ts';
import type { TransferStatus } from '../../../../src/swarm/swarm.ts';

const REPOSITORY = 'registry.example/team/app';
const CONFIG = Buffer.from('config');
const LAYER = Buffer.from('a layer');

function descriptor(bytes: Buffer, mediaType: string): object {
  return { mediaType, digest: Digest.of(bytes).toString(), size: bytes.length };
}

function manifestOf(document: object): RawManifest {
  return rawManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))).raw;
}

const image = manifestOf({
  mediaType: MediaType.ociManifest,
  config: descriptor(CONFIG, MediaType.ociConfig),
  layers: [descriptor(LAYER, MediaType.ociLayer)],
});
const index = manifestOf({
  mediaType: MediaType.ociIndex,
  manifests: [{ ...descriptor(image.bytes, MediaType.ociManifest), platform: { os: 'linux', architecture: 'amd64' } }],
});

function setUp(t: ExecutionContext) {
  const stored = new Set<string>();
  const listeners = new Set<(change: { kind: 'added' | 'removed'; digest: Digest; size: number }) => void>();
  const transfers: TransferStatus[] = [];
  const kept: Receipt[] = [];
  const receipts = { list: () => kept };
  const clock = { now: 1_000_000 };
  const pulls = new ClientPulls({
    images: { manifest: async (_repository, digest) => [image, index].find((raw) => raw.digest.equals(digest)) },
    store: {
      size: (digest) => (stored.has(digest.toString()) ? 1 : undefined),
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    exchange: { transfers: () => transfers },
    keep: (receipt) => {
      kept.unshift(receipt);
    },
    now: () => clock.now,
  });
  t.teardown(() => pulls[Symbol.dispose]());
  return {
    pulls,
    receipts,
    clock,
    transfers,
    serveManifest: (raw: RawManifest, reference: string, isHead = false) =>
      pulls.manifestServed({ repository: REPOSITORY, reference, digest: raw.digest, isHead, client: 'dockerd' }),
    serveBlob: async (bytes: Buffer, fromStore: boolean) => {
      pulls.blobServed({ repository: REPOSITORY, digest: Digest.of(bytes), size: bytes.length, source: fromStore ? 'store' : 'swarm' });
      await pulls.settled();
    },
    arrive: (bytes: Buffer) => {
      const digest = Digest.of(bytes);
      stored.add(digest.toString());
      transfers.push({
        digest,
        repository: 'team/app',
        sizeBytes: bytes.length,
        haveBytes: bytes.length,
        fromOriginBytes: 2,
        fromPeers: new Map([['peer-a', bytes.length - 2]]),
        bytesPerSecond: 0,
        stalls: 1,
        retries: 0,
        state: 'done',
        startedAt: clock.now,
      });
      for (const listener of listeners) listener({ kind: 'added', digest, size: bytes.length });
    },
  };
}

test('a pull as dockerd does it, HEAD of the tag and the rest by digest, makes a receipt under the tag', async (t) => {
  const w = setUp(t);
  const head = w.serveManifest(image, 'v1', true);
  t.is(w.serveManifest(image, image.digest.toString()), head, 'one pull');
  await w.serveBlob(CONFIG, true);
  await w.serveBlob(LAYER, false);
  w.clock.now += 2000;
  w.arrive(LAYER);
  w.pulls.look();
  t.deepEqual(w.receipts.list(), [], 'the client may ask for more');
  w.clock.now += 3000;
  w.pulls.look();
  const [receipt] = w.receipts.list();
  t.like(receipt, {
    reference: `${REPOSITORY}:v1`,
    digest: image.digest.toString(),
    bytes: CONFIG.length + LAYER.length,
    fromStoreBytes: CONFIG.length,
    fromOriginBytes: 2,
    fromPeersBytes: LAYER.length - 2,
    seconds: 2,
    stalls: 1,
    verified: true,
    client: 'dockerd',
    result: 'done',
    id: head,
  });
  t.deepEqual(receipt?.peers, { 'peer-a': LAYER.length - 2 });
  t.is(receipt?.blobs.length, 2);
});

test('the child of an index goes by the name of the index', async (t) => {
  const w = setUp(t);
  w.serveManifest(index, 'multi');
  w.serveManifest(image, image.digest.toString());
  await w.serveBlob(LAYER, true);
  w.clock.now += 3000;
  w.pulls.look();
  t.is(w.receipts.list()[0]?.reference, `${REPOSITORY}:multi`);
});

test('a manifest alone makes none', async (t) => {
  const w = setUp(t);
  w.serveManifest(image, 'v1');
  await w.pulls.settled();
  w.clock.now += 10_000;
  w.pulls.look();
  t.deepEqual(w.receipts.list(), []);
});

test('a client that goes away before all is here makes one of a pull that was given up, once nothing brings the rest', async (t) => {
  const w = setUp(t);
  w.serveManifest(image, 'v1');
  await w.serveBlob(LAYER, false);
  w.transfers.push({
    digest: Digest.of(LAYER),
    repository: 'team/app',
    sizeBytes: 7,
    haveBytes: 3,
    fromOriginBytes: 3,
    fromPeers: new Map(),
    bytesPerSecond: 0,
    stalls: 0,
    retries: 0,
    state: 'fetching',
    startedAt: w.clock.now,
  });
  w.clock.now += 60_000;
  w.pulls.look();
  t.deepEqual(w.receipts.list(), []);
  w.transfers[0] = { ...w.transfers[0]!, state: 'failed' };
  w.pulls.look();
  t.like(w.receipts.list()[0], {
    result: 'aborted',
    error: 'the client went away before all was here',
    bytes: 3,
    fromOriginBytes: 3,
    verified: false,
  });
});

test('a blob that could not be had makes a failure, unless the client asks again and gets it', async (t) => {
  for (const again of [false, true]) {
    const w = setUp(t);
    w.serveManifest(image, 'v1');
    await w.serveBlob(LAYER, false);
    w.pulls.blobFailed({ repository: REPOSITORY, digest: Digest.of(LAYER), error: 'the origin is down' });
    await w.pulls.settled();
    w.clock.now += 10_000;
    w.pulls.look();
    t.deepEqual(w.receipts.list(), []);
    if (again) {
      await w.serveBlob(LAYER, false);
      w.arrive(LAYER);
    }
    w.clock.now += 30_000;
    w.pulls.look();
    t.like(
      w.receipts.list()[0],
      again ? { result: 'done', error: null } : { result: 'failed', error: 'the origin is down', verdict: 'it failed: the origin is down' },
    );
  }
});

test('a manifest that could not be had makes one failure, however often it was asked for, and none when it came in the end', async (t) => {
  const w = setUp(t);
  const fail = (reference: string): void =>
    w.pulls.manifestFailed({ repository: REPOSITORY, reference, client: 'podman', error: 'the origin is down' });
  fail('v1');
  fail('v2');
  w.clock.now += 5000;
  fail('v1');
  w.serveManifest(image, 'v2');
  w.clock.now += 30_000;
  w.pulls.look();
  t.is(w.receipts.list().length, 1);
  t.like(w.receipts.list()[0], { reference: `${REPOSITORY}:v1`, client: 'podman', result: 'failed', seconds: 5 });
});
