import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { anonymous } from '../../origin/credentials.ts';
import { RegistryOrigin } from '../../origin/registry-origin.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import { makeSwarmKey } from '../../swarm/network/swarm-key.ts';
import { makeDemoImage, type DemoImage } from './demo-image.ts';
import { startDemoNode, type DemoNode } from './demo-node.ts';

const REPOSITORY = 'demo/layerswarm';
const TAG = 'latest';

export interface DemoReport {
  readonly reference: string;
  readonly digest: string;
  /** Of the image's blobs and manifest: what every node ends up with. */
  readonly bytes: number;
  readonly originBytes: number;
  readonly peerBytes: number;
  /** How often the image left the origin. */
  readonly copies: number;
  /** From the first request to the last node's proven image. */
  readonly seconds: number;
  readonly nodes: readonly DemoNodeReport[];
}

export interface DemoNodeReport {
  readonly name: string;
  readonly peerId: string;
  readonly seconds: number;
  readonly originBytes: number;
  readonly peerBytes: number;
  /** Bytes by the name of the sender. */
  readonly from: Readonly<Record<string, number>>;
  /** Read back from its disk after the pull, every digest was right. */
  readonly verified: boolean;
}

export interface DemoOptions {
  readonly nodes: number;
  readonly signal: AbortSignal;
  /** A line for whoever watches. */
  readonly say: (line: string) => void;
}

/** A swarm on loopback that pulls one image at the same moment. Leaves nothing behind, however it ends. */
export async function runDemo({ nodes: count, signal, say }: DemoOptions): Promise<DemoReport> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'layerswarm-demo-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const swarmKey = join(folder, 'swarm.key');
  await makeSwarmKey(swarmKey);

  say('starting the origin, and making an image of layerswarm and its Node');
  const [origin, image] = await Promise.all([
    startDemoNode({ name: 'origin', folder, swarmKey, joins: { kind: 'embedded' }, signal }).then((node) => cleanup.use(node)),
    makeDemoImage(signal),
  ]);
  await push(origin, image, signal);
  const total = image.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
  say(`pushed ${image.blobs.length} blobs to the origin; starting ${count} nodes that know one address and the key`);
  const address = origin.file.multiaddrs[0];
  if (address === undefined) throw new LayerswarmError('unavailable', 'the origin listens nowhere');
  const nodes = await Promise.all(
    Array.from({ length: count }, async (_, index) =>
      cleanup.use(await startDemoNode({ name: `node ${index + 1}`, folder, swarmKey, joins: { kind: 'member', address }, signal })),
    ),
  );
  await Promise.all(nodes.map((node) => node.until('joined', ({ peers, origin: { url } }) => url !== null && peers.length >= count)));

  say('all nodes pull at the same moment');
  const started = performance.now();
  const receipts = await Promise.all(
    nodes.map(async ({ client }) => (await client.call('pull', { reference: `${REPOSITORY}:${TAG}` }, { signal })).receipt),
  );
  const seconds = (performance.now() - started) / 1000;

  say('every node reads its copy back and checks each digest');
  const reports = await Promise.all(nodes.map((node, index) => report(node, receipts[index]!, [origin, ...nodes], image, signal)));
  const originBytes = reports.reduce((sum, node) => sum + node.originBytes, 0);
  return {
    reference: `${REPOSITORY}:${TAG}`,
    digest: image.manifest.digest.toString(),
    bytes: total + image.manifest.bytes.length,
    originBytes,
    peerBytes: reports.reduce((sum, node) => sum + node.peerBytes, 0),
    copies: originBytes / (total + image.manifest.bytes.length),
    seconds,
    nodes: reports,
  };
}

async function push(origin: DemoNode, image: DemoImage, signal: AbortSignal): Promise<void> {
  const registry = new RegistryOrigin({ url: origin.file.registry, credentials: anonymous });
  try {
    for (const { descriptor, bytes } of image.blobs) {
      await registry.writer.uploadBlob(
        REPOSITORY,
        descriptor,
        async function* source() {
          yield bytes;
        },
        signal,
      );
    }
    await registry.writer.putManifest(REPOSITORY, image.manifest, TAG, signal);
  } finally {
    await registry.close();
  }
}

async function report(
  node: DemoNode,
  receipt: Receipt,
  all: readonly DemoNode[],
  image: DemoImage,
  signal: AbortSignal,
): Promise<DemoNodeReport> {
  const { blobs, corrupt } = await node.client.call('verify', {}, { signal });
  const nameOf = (peerId: string): string => all.find(({ file }) => file.peerId === peerId)?.name ?? peerId;
  // The manifest is a blob of the store too.
  const complete = blobs >= new Set(image.blobs.map(({ descriptor }) => descriptor.digest.toString())).size + 1;
  // The origin is a member too: what it gave as one left the origin all the same.
  const from: Record<string, number> = { origin: receipt.fromOriginBytes };
  for (const [peerId, bytes] of Object.entries(receipt.peers)) from[nameOf(peerId)] = (from[nameOf(peerId)] ?? 0) + bytes;
  const originBytes = from['origin'] ?? 0;
  return {
    name: node.name,
    peerId: node.file.peerId,
    seconds: receipt.seconds,
    originBytes,
    peerBytes: receipt.fromOriginBytes + receipt.fromPeersBytes - originBytes,
    from,
    verified: receipt.verified && receipt.digest === image.manifest.digest.toString() && corrupt.length === 0 && complete,
  };
}
