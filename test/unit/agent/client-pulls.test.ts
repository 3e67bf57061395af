import test, { type ExecutionContext } from 'ava';
import { ClientPulls } from '../../../src/agent/client-pulls.ts';
import { ReceiptRing } from '../../../src/agent/receipt-ring.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { rawManifest, type RawManifest } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import type { TransferStatus } from '../../../src/swarm/swarm.ts';

const REPOSITORY = 'registry.example/team/app';
const CONFIG = Buffer.from('config');
const LAYER = Buffer.from('a layer');

function descriptor(bytes: Buffer, mediaType: string): object {
  return { mediaType, digest: Digest.of(bytes).toString(), size: bytes.length };
}

function manifestOf(document: object): RawManifest {
  return rawManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))).raw;
}

const image = manifestOf({ mediaType: MediaType.ociManifest, config: descriptor(CONFIG, MediaType.ociConfig), layers: [descriptor(LAYER, MediaType.ociLayer)] });
const index = manifestOf({ mediaType: MediaType.ociIndex, manifests: [{ ...descriptor(image.bytes, MediaType.ociManifest), platform: { os: 'linux', architecture: 'amd64' } }] });

function setUp(t: ExecutionContext) {
  const stored = new Set<string>();
  const listeners = new Set<(change: { kind: 'added' | 'removed'; digest: Digest; size: number }) => void>();
  const transfers: TransferStatus[] = [];
  const receipts = new ReceiptRing();
  const clock = { now: 1_000_000 };
  const pulls = new ClientPulls({
    images: { manifest: async (_repository, digest) => [image, index].find((raw) => raw.digest.equals(digest)) },
    store: { size: (digest) => (stored.has(digest.toString()) ? 1 : undefined), onChange: (listener) => { listeners.add(listener); return () => listeners.delete(listener); } },
    exchange: { transfers: () => transfers },
    receipts,
    now: () => clock.now,
  });
  t.teardown(() => pulls[Symbol.dispose]());
  return {
    pulls, receipts, clock,
    serveManifest: (raw: RawManifest, reference: string, isHead = false) => pulls.manifestServed({ repository: REPOSITORY, reference, digest: raw.digest, isHead }),
    serveBlob: async (bytes: Buffer, fromStore: boolean) => {
      pulls.blobServed({ repository: REPOSITORY, digest: Digest.of(bytes), size: bytes.length, source: fromStore ? 'store' : 'swarm' });
      await pulls.settled();
    },
    arrive: (bytes: Buffer) => {
      const digest = Digest.of(bytes);
      stored.add(digest.toString());
      transfers.push({
        digest, repository: 'team/app', sizeBytes: bytes.length, haveBytes: bytes.length, fromOriginBytes: 2, fromPeers: new Map([['peer-a', bytes.length - 2]]),
        bytesPerSecond: 0, stalls: 1, retries: 0, state: 'done', startedAt: clock.now,
      });
      for (const listener of listeners) listener({ kind: 'added', digest, size: bytes.length });
    },
  };
}

test('a pull as dockerd does it, HEAD of the tag and the rest by digest, makes a receipt under the tag', async (t) => {
  const w = setUp(t);
  w.serveManifest(image, 'v1', true);
  w.serveManifest(image, image.digest.toString());
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
    reference: `${REPOSITORY}:v1`, digest: image.digest.toString(), bytes: CONFIG.length + LAYER.length, fromStoreBytes: CONFIG.length,
    fromOriginBytes: 2, fromPeersBytes: LAYER.length - 2, seconds: 2, stalls: 1, verified: true,
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

test('a blob that never comes, and a manifest alone, make none', async (t) => {
  const w = setUp(t);
  w.serveManifest(image, 'v1');
  await w.serveBlob(LAYER, false);
  w.clock.now += 3_600_000;
  w.pulls.look();
  w.serveManifest(image, 'v1');
  await w.pulls.settled();
  w.clock.now += 10_000;
  w.pulls.look();
  t.deepEqual(w.receipts.list(), []);
});
