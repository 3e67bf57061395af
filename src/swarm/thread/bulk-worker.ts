import { flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { Digest } from '../../oci/digest.ts';
import { Exchange } from '../exchange/exchange.ts';
import { readPartOfMember } from '../exchange/member-read.ts';
import { BulkPort } from '../lane/bulk/bulk-port.ts';
import { TlsLaneHub } from '../lane/bulk/tls-lane-hub.ts';
import { LaneHub } from '../lane/lane-hub.ts';
import { LaneSessions } from '../lane/lane-sessions.ts';
import { Bandwidth } from '../lane/pace/bandwidth.ts';
import { StreamLaneHub } from '../lane/stream-lane-hub.ts';
import { addressGroup } from '../network/address.ts';
import { ownOffersOnly } from '../network/own-offers.ts';
import { PeerKey } from '../network/peer-key.ts';
import { SharedDebts } from '../shared-debts.ts';
import { PortRpc } from './port-rpc.ts';
import { ProgressReports } from './progress-reports.ts';
import type { BulkWorkerOptions, MainMethods, WorkerMethods } from './thread-protocol.ts';
import { WorkerFetches } from './worker-fetches.ts';
import { WorkerNetwork } from './worker-network.ts';
import { WorkerOrigins } from './worker-origins.ts';
import { WorkerStore } from './worker-store.ts';
import { WorkerStreams } from './worker-streams.ts';

// A bulk thread: the transfers of blobs whole, from the choosing to the file, with the lanes that their bytes come and go on.
if (parentPort === null) throw new Error('this file is a thread of its own');

// A promise that was left alone breaks nothing; the main thread says what becomes of it.
process.on('unhandledRejection', (reason) => {
  const { message, stack } = reason instanceof Error ? reason : new Error(String(reason));
  main.notify('strayed', { message, stack });
});

const options = workerData as BulkWorkerOptions;
const toMain = (): PortRpc<WorkerMethods, MainMethods> => main;
const network = new WorkerNetwork(PeerKey.fromPem(options.peerKey), toMain);
const store = new WorkerStore(toMain);
const bandwidth = options.bandwidth === undefined ? undefined : new Bandwidth(options.bandwidth);
const origins = new WorkerOrigins(toMain, network, bandwidth);
const streams = new WorkerStreams(toMain);
const { thread, threads, shared } = options;
const exchange = new Exchange({
  network,
  store,
  work: new SharedDebts(shared.work),
  onStrike: (member, at) => {
    main.notify('strike', { member, at });
  },
  origin: () => origins.own(),
  mayShare: async (blob) => await main.call('mayShare', { digest: blob.toString() }),
  ...(options.zone === undefined ? {} : { zone: options.zone }),
  ...(options.isTraced
    ? {
        say: (message, fields) => {
          main.notify('said', { message, fields });
        },
      }
    : {}),
});
const sessions = new LaneSessions({
  source: exchange.server,
  words: network.words,
  stallMs: options.stallMs,
  idleMs: options.idleMs,
  bandwidth,
  slots: { memory: shared.slots, thread, threads },
});
const progress = new ProgressReports(
  exchange,
  sessions,
  origins,
  () => port?.strangers ?? 0,
  (report) => {
    main.notify('progress', report);
  },
);
const fetches = new WorkerFetches(exchange, origins, progress);
let port: BulkPort | undefined;

const main = new PortRpc<WorkerMethods, MainMethods>(parentPort, {
  ...network.handlers,
  ...store.handlers,
  ...origins.handlers,
  ...streams.handlers,
  ...fetches.handlers,
  readMember: async ({ peerId, digest, start, end }, signal) =>
    await readPartOfMember(network, peerId, Digest.parse(digest), { start, end }, signal),
  start: async ({ listen }) => {
    port = listen === undefined ? undefined : await BulkPort.listen({ ...listen, thread, sessions });
    const hub = new LaneHub(
      new StreamLaneHub(streams, sessions, { hostOf: (peerId) => addressGroup(network.peer(peerId)?.address ?? '') }),
      port === undefined
        ? undefined
        : new TlsLaneHub(
            port,
            ownOffersOnly(network, async (peerId) => await main.call('recordedHosts', { peerId })),
            { thread },
          ),
    );
    network.lanes = {
      current: (route) => hub.current(route) ?? sessions.idle(route),
      lane: async (route, signal) => await hub.lane(route, signal),
    };
    network.onPeer((event, { peerId }) => {
      if (event === 'joined') return;
      hub.forget(peerId);
      sessions.forget(peerId);
    });
    setImmediate(flushCompileCache);
    return port?.port;
  },
  struck: ({ member, at }) => {
    exchange.struck(member, at);
  },
  closeIdle: async () => {
    await exchange.server.closeIdle();
  },
  stop: async () => {
    progress.stop();
    port?.close();
    await exchange.close();
    await sessions.close();
    // With what was loaded since.
    flushCompileCache();
  },
});
