import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { Digest } from '../../../src/oci/digest.ts';
import { Grade, type PartialBlob } from '../../../src/store/blob-store.ts';
import { openStore } from '../../../src/store/store.ts';
import { BulkThread } from '../../../src/swarm/lane/bulk/bulk-thread.ts';
import type { ByteRange, Lane } from '../../../src/swarm/lane/lane.ts';
import { PieceLayout } from '../../../src/swarm/exchange/core/piece-layout.ts';
import { PieceWriter } from '../../../src/swarm/exchange/piece-writer.ts';
import { Libp2pNetwork } from '../../../src/swarm/network/libp2p-network.ts';
import { deriveSwarmKey } from '../../../src/swarm/network/swarm-key.ts';
import { waitFor } from '../../support/wait-for.ts';
import { connected } from '../../support/wait-for-peers.ts';
import { startCounting } from './measure.ts';

// A member that sends a blob, or one that fetches it from that one member, over lanes of one kind.
// Arguments: `send`, kind, folder, file; or `receive`, kind, folder, digest, size, peer id, multiaddr.
const RUN_BYTES = 1 << 20;
const RUNS_AT_ONCE = 4;

const [role, kind, folder, ...rest] = process.argv.slice(2) as [string, 'stream' | 'tls', string, ...string[]];
const bulk = kind === 'tls' ? await BulkThread.start({ host: '127.0.0.1', port: 0 }, (error) => { throw error; }) : undefined;
const network = await Libp2pNetwork.create({
  dataDir: folder, listen: ['/ip4/127.0.0.1/tcp/0'], swarmKeys: [deriveSwarmKey(Buffer.alloc(32, 9))], mdns: false,
  bootstrap: role === 'receive' ? [rest[3]!] : [],
  ...(bulk === undefined ? {} : { bulk }),
});
if (role === 'send') await send(rest[0]!);
else await receive(Digest.parse(rest[0]!), Number(rest[1]), rest[2]!);
await network.stop();
await bulk?.stop();

async function send(path: string): Promise<void> {
  const { size } = await stat(path);
  network.setLaneSource({
    read: async (_peer, _blob, range) => await Promise.resolve(range.end <= size ? { file: { path, start: range.start, end: range.end }, note: new Uint8Array(0) } : undefined),
  });
  await network.start();
  process.send!({ peerId: network.self, multiaddr: network.multiaddrs()[0] });
  // Counted from the first message of the receiver to the last.
  await once(process, 'message');
  const spent = startCounting();
  await once(process, 'message');
  process.send!({ sender: spent() });
  process.disconnect();
}

async function receive(digest: Digest, size: number, peerId: string): Promise<void> {
  const store = await openStore(folder, bulk === undefined ? {} : { openPartial: bulk.partials.open });
  await network.start();
  await connected(network, peerId);
  const lane = await waitFor(`a lane of kind ${kind}`, async () => {
    const lane = await network.lane(peerId);
    return lane.kind === kind && lane;
  });
  process.send!({ ready: true });
  await once(process, 'message');

  const spent = startCounting();
  const layout = new PieceLayout(size);
  const partial = await store.blobs.openPartial(digest, size, layout.pieceLength);
  await fetchRuns(lane, digest, partial, layout);
  await partial.advance();
  if (partial.verdict !== true) throw new Error(`the verdict is ${String(partial.verdict)}`);
  process.send!({ receiver: spent(), digest: digest.hex });
  await partial.close();
  await store.close();
  process.disconnect();
}

async function fetchRuns(lane: Lane, digest: Digest, partial: PartialBlob, layout: PieceLayout): Promise<void> {
  const writer = new PieceWriter(partial, layout, (piece) => partial.grade(piece) !== Grade.missing);
  const signal = new AbortController().signal;
  const runs: ByteRange[] = [];
  for (let start = 0; start < layout.size; start += RUN_BYTES) runs.push({ start, end: Math.min(layout.size, start + RUN_BYTES) });
  const next = runs.values();
  await Promise.all(Array.from({ length: RUNS_AT_ONCE }, async () => {
    for (const run of next) {
      const target = writer.target(run.start, (piece) => {
        partial.complete(piece, Grade.received);
        void partial.advance();
      });
      await lane.request(digest, run, target, signal);
      target.release();
    }
  }));
}
