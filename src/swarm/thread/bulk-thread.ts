import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { programFile } from '../../program-files.ts';
import type { BlobStore, StreamOptions } from '../../store/blob-store.ts';
import type { GuardedBlobs } from '../../store/blobs/disk-blob-store.ts';
import type { PartialLender } from '../../store/partial/partial-owner.ts';
import { clientBytes, type EmitPolicy } from '../exchange/client-read.ts';
import type { SlowPeer } from '../exchange/peer-rates.ts';
import type { ByteRange } from '../lane/lane.ts';
import type { LaneUse } from '../lane/lane-use.ts';
import type { BulkPlace } from '../lane/bulk/bulk-listener.ts';
import type { LaneTransport } from '../lane/lane-transport.ts';
import type { Bandwidth } from '../lane/pace/bandwidth.ts';
import type { Route } from '../lane/route.ts';
import type { MemberStreams } from '../network/member-streams.ts';
import type { Network } from '../network/network.ts';
import type { RecordedHosts } from '../network/own-offers.ts';
import type { Message } from '../protocol/message.ts';
import type { BlobFetch, BlobOrigin, BlobRequest, ExchangeActivity, ExchangeTotals, Say, TransferStatus, WantedPart } from '../swarm.ts';
import { PortRpc } from './port-rpc.ts';
import { ThreadNetwork } from './thread-network.ts';
import { ThreadOrigins } from './thread-origins.ts';
import type { BulkWorkerOptions, MainMethods, ProgressReport, SharedLimits, WorkerMethods } from './thread-protocol.ts';
import { ThreadStore } from './thread-store.ts';

export interface BulkThreadOptions {
  readonly network: Network;
  readonly streams: Pick<MemberStreams, 'open'>;
  /** Where a peer may have its bulk port, beside the host that it is connected from. */
  readonly recordedHosts: RecordedHosts;
  readonly blobs: BlobStore & PartialLender & GuardedBlobs;
  /** The origin that the swarm uses now; undefined while none is known. */
  origin(): BlobOrigin | undefined;
  /** Whether members may have this blob; false for those of excluded repositories only. */
  mayShare(blob: Digest): boolean;
  /** PKCS #8 in PEM. */
  readonly peerKey: string;
  readonly zone?: string | undefined;
  readonly emit?: EmitPolicy;
  /** The bulk port; 0 takes a free one. Without it blobs travel over the control connections alone. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined;
  readonly stallMs?: number | undefined;
  readonly idleMs?: number | undefined;
  /** What this thread may use together with the others; without it there is no limit. */
  readonly bandwidth?: Bandwidth | undefined;
  /** Told of each decision of a transfer. */
  readonly say?: Say | undefined;
  /** What went over lanes, for whoever shows it. */
  onLanes?(uses: readonly LaneUse[]): void;
  /** The thread died by itself; another takes its place, and its transfers have failed. */
  onFailure?(error: LayerswarmError): void;
}

/** Which one of them it is, and what it has with the others. */
export interface ThreadPlace {
  readonly thread: number;
  readonly threads: number;
  readonly shared: SharedLimits;
  /** A member was wrong about a blob of this thread. */
  onStrike(member: string, at: number): void;
  /** The bulk port, once the first of them has it; that one itself is not told. */
  readonly port?: Promise<number | undefined>;
}

const STOP_TIMEOUT_MS = 3000;
/** A thread that died gets a successor after this. */
const RESTART_MS = 500;
/** Whether the origin is another, and how far members are away, is looked at this often while blobs are fetched. */
const REFRESH_MS = 250;
/** What another part of the program reads from a member comes over in parts of this many bytes. */
const MEMBER_READ_BYTES = 1 << 20;
/** Before a thread has said anything. */
const NOTHING_YET: ProgressReport = {
  transfers: [],
  fromOriginBytes: 0,
  fromPeersBytes: 0,
  toPeersBytes: 0,
  verifiedPieces: 0,
  activity: { leases: 0, reads: 0, sending: 0, waiting: 0, coordinated: 0, bulkStrangers: 0 },
  slow: [],
  lanes: [],
  overShare: 0,
  read: [],
  wrong: [],
};

/**
 * A thread that has the transfers of its blobs whole: choosing, lanes, verification, files, serving. This is its side in the main thread,
 * which asks for blobs and hears of progress and the end; their bytes stay over there.
 */
export class BulkThread {
  readonly #options: BulkThreadOptions;
  readonly #place: ThreadPlace;
  readonly #network: ThreadNetwork;
  readonly #store: ThreadStore;
  readonly #origins: ThreadOrigins;
  readonly #unsubscribe: () => void;
  readonly #refresh: NodeJS.Timeout;
  #thread: Worker | undefined;
  #worker = new PortRpc<MainMethods, WorkerMethods>(new LayerswarmError('unavailable', 'the bulk thread is not running yet'));
  #exited = Promise.withResolvers<void>();
  #port: number | undefined;
  #stopping = false;
  #nextFetch = 0;
  /** Fetches that somebody holds. */
  #held = 0;
  #progress: ProgressReport = NOTHING_YET;
  #transfers: readonly TransferStatus[] = [];
  #vouchedBytes = 0;
  /** Of threads that died. */
  #before = { fromOriginBytes: 0, fromPeersBytes: 0, toPeersBytes: 0, verifiedPieces: 0, overShare: 0 };

  private constructor(options: BulkThreadOptions, place: ThreadPlace) {
    this.#options = options;
    this.#place = place;
    const worker = (): PortRpc<MainMethods, WorkerMethods> => this.#worker;
    this.#network = new ThreadNetwork({ ...options, thread: place.thread, worker });
    this.#origins = new ThreadOrigins(() => options.origin(), worker);
    this.#store = new ThreadStore({
      blobs: options.blobs,
      worker,
      mayShare: (blob) => options.mayShare(blob),
      haveBytes: (digest) => this.#transfers.find((transfer) => transfer.digest.equals(digest) && transfer.state === 'fetching')?.haveBytes,
    });
    this.#unsubscribe = options.blobs.onChange(({ kind, digest }) => {
      if (kind === 'removed') this.#worker.notify('blobRemoved', { digest: digest.toString() });
    });
    this.#refresh = setInterval(() => {
      if (this.#held > 0) this.#tellNews();
    }, REFRESH_MS).unref();
  }

  /** @throws `port-taken`, `config-invalid` */
  static async start(options: BulkThreadOptions, place: ThreadPlace): Promise<BulkThread> {
    const thread = new BulkThread(options, place);
    try {
      await thread.#spawn();
      return thread;
    } catch (error) {
      await thread.kill();
      throw error;
    }
  }

  /** Of the bulk port. */
  get port(): number | undefined {
    return this.#port;
  }

  fetch(request: BlobRequest): BlobFetch {
    if (this.#stopping) throw new LayerswarmError('unavailable', 'this node is stopping');
    const { digest, size, repository, origin, pull, sources } = request;
    const worker = this.#worker;
    const id = this.#nextFetch++;
    this.#tellNews();
    const begun = worker.call('fetch', {
      id,
      digest: digest.toString(),
      size,
      repository,
      sources,
      pull,
      isAbsent: this.#options.blobs.size(digest) === undefined,
      origin: origin === undefined ? undefined : this.#origins.ref(origin),
      shared: request.shared ?? this.#options.mayShare(digest),
    });
    const whenDone = async (): Promise<void> => {
      await begun;
      await worker.call('done', { id });
    };
    const done = whenDone();
    // Whoever waits is told; nobody may.
    done.catch(() => undefined);
    this.#held++;
    let isReleased = false;
    const startedAt = Date.now();
    const fetch = {
      digest,
      size: async (): Promise<number> => size ?? (await begun.then(async () => await worker.call('size', { id }))),
      done: async () => {
        await done;
      },
      vouchedPiece: async (offset: number, wanted?: WantedPart) => await worker.call('vouched', { id, offset, wanted }),
      read: (start: number, end: number, signal: AbortSignal, stream?: StreamOptions) =>
        clientBytes(
          fetch,
          this.#options.blobs,
          start,
          end,
          {
            ...stream,
            emit: this.#options.emit ?? 'proven',
            onVouched: (bytes) => {
              this.#vouchedBytes += bytes;
            },
          },
          signal,
        ),
      progress: (): TransferStatus =>
        this.#transfers.find((transfer) => transfer.digest.equals(digest)) ?? {
          digest,
          repository,
          sizeBytes: size,
          haveBytes: 0,
          fromOriginBytes: 0,
          fromPeers: new Map(),
          bytesPerSecond: 0,
          stalls: 0,
          retries: 0,
          state: 'finding',
          startedAt,
        },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#held--;
        worker.notify('release', { id });
      },
    };
    return fetch;
  }

  /** As `ThreadNetwork.message`. */
  async message(from: string, message: Message): Promise<Message | undefined> {
    return await this.#network.message(from, message);
  }

  /** Another thread counted a strike against a member. */
  struck(member: string, at: number): void {
    this.#worker.notify('struck', { member, at });
  }

  /** As `ThreadNetwork.accept`. */
  accept(route: Route, transport: LaneTransport): void {
    this.#network.accept(route, transport);
  }

  /** Bytes of what a member holds, over its lane. @throws as `Lane.request` */
  async *readMember(peerId: string, digest: Digest, { start, end }: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += MEMBER_READ_BYTES) {
      yield await this.#worker.call(
        'readMember',
        { peerId, digest: digest.toString(), start: at, end: Math.min(end, at + MEMBER_READ_BYTES) },
        { signal },
      );
    }
  }

  /** Blobs that members read and nobody reads just now are closed, so that they can be evicted. Never throws. */
  async closeIdle(): Promise<void> {
    // A thread that is gone has nothing open.
    await this.#worker.call('closeIdle', undefined).catch(() => undefined);
    await this.#store.closing();
  }

  transfers(): readonly TransferStatus[] {
    return this.#transfers;
  }

  totals(): Readonly<ExchangeTotals> {
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces } = this.#progress;
    return {
      fromOriginBytes: this.#before.fromOriginBytes + fromOriginBytes,
      fromPeersBytes: this.#before.fromPeersBytes + fromPeersBytes,
      toPeersBytes: this.#before.toPeersBytes + toPeersBytes,
      verifiedPieces: this.#before.verifiedPieces + verifiedPieces,
      vouchedBytes: this.#vouchedBytes,
    };
  }

  /** Members that give far less than others do. */
  slowPeers(): readonly SlowPeer[] {
    return this.#progress.slow.filter(({ until }) => until > Date.now());
  }

  activity(): ExchangeActivity {
    return this.#progress.activity;
  }

  /** Pieces of the peer that turned out wrong since start. */
  badPieces(peerId: string): number {
    return this.#progress.wrong.find(([peer]) => peer === peerId)?.[1] ?? 0;
  }

  /** Peers that were cut since start for making this node work more than their share. */
  get peersOverShare(): number {
    return this.#before.overShare + this.#progress.overShare;
  }

  /** Ends all transfers, the lanes and the port. */
  async close(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#refresh);
    this.#unsubscribe();
    const timer = setTimeout(() => {
      void this.#thread?.terminate();
    }, STOP_TIMEOUT_MS);
    try {
      await this.#worker.call('stop', undefined);
    } catch (error) {
      // It ended before it could answer.
      if (!(error instanceof LayerswarmError)) throw error;
    }
    clearTimeout(timer);
    await this.kill();
  }

  /** Ends the thread as it is. */
  async kill(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#refresh);
    this.#unsubscribe();
    await this.#thread?.terminate();
    if (this.#thread !== undefined) await this.#exited.promise;
    this.#network.close();
  }

  async #spawn(): Promise<void> {
    const { stallMs, idleMs, bandwidth, peerKey, zone } = this.#options;
    const { thread: number, threads, shared } = this.#place;
    const workerData: BulkWorkerOptions = {
      thread: number,
      threads,
      shared,
      peerKey,
      zone,
      stallMs,
      idleMs,
      bandwidth: bandwidth?.shared,
      isTraced: this.#options.say !== undefined,
    };
    const cache = getCompileCacheDir();
    // It has to be told where the cache is, that this thread uses.
    const env = cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
    const thread = new Worker(programFile('swarm/thread/bulk-worker'), { workerData, name: number === 0 ? 'bulk' : `bulk-${number}`, env });
    const exited = Promise.withResolvers<void>();
    const worker = new PortRpc<MainMethods, WorkerMethods>(thread, {
      ...this.#network.handlers,
      ...this.#store.handlers,
      ...this.#origins.handlers,
      progress: (report) => {
        this.#onProgress(report);
      },
      strike: ({ member, at }) => {
        this.#place.onStrike(member, at);
      },
      said: ({ message, fields }) => {
        this.#options.say?.(message, fields);
      },
      // As if it were this thread's own: the process has a net for those.
      strayed: ({ message, stack }) => {
        void Promise.reject(Object.assign(new LayerswarmError('internal', `in the bulk thread: ${message}`), { stack }));
      },
    });
    this.#thread = thread;
    this.#worker = worker;
    this.#exited = exited;
    let cause: unknown;
    thread.on('error', (error) => {
      cause = error;
    });
    thread.on('exit', () => {
      const error = new LayerswarmError('unavailable', 'the bulk thread has ended', { cause });
      worker.close(error);
      void this.#onExit(error).finally(() => {
        exited.resolve();
      });
    });
    this.#port = await worker.call('start', { listen: await this.#whereToListen() });
    this.#network.introduce();
    this.#origins.forgetTold();
    this.#tellNews();
  }

  async #whereToListen(): Promise<BulkPlace | undefined> {
    const { listen } = this.#options;
    if (listen === undefined) return undefined;
    const { threads, port: firstPort } = this.#place;
    const port = this.#port ?? (await firstPort);
    if (threads === 1) return { ...listen, port: port ?? listen.port };
    return port === undefined ? { ...listen, shared: 'first' } : { ...listen, port, shared: 'next' };
  }

  async #onExit(error: LayerswarmError): Promise<void> {
    this.#network.drop();
    this.#origins.drop();
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces } = this.totals();
    this.#before = { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces, overShare: this.peersOverShare };
    this.#progress = NOTHING_YET;
    this.#transfers = [];
    await this.#store.close();
    if (this.#stopping) return;
    this.#options.onFailure?.(error);
    setTimeout(() => {
      void this.#respawn();
    }, RESTART_MS).unref();
  }

  async #respawn(): Promise<void> {
    if (this.#stopping) return;
    try {
      await this.#spawn();
    } catch (error) {
      // Its port may be taken for a moment: the exit of the thread tries again.
      this.#options.onFailure?.(
        error instanceof LayerswarmError ? error : new LayerswarmError('internal', 'the bulk thread cannot be started', { cause: error }),
      );
      await this.#thread?.terminate();
    }
  }

  #tellNews(): void {
    this.#origins.tell();
    this.#network.tellLatencies();
  }

  #onProgress(report: ProgressReport): void {
    this.#progress = report;
    this.#origins.count(report.read);
    this.#transfers = report.transfers.map((status) => ({ ...status, digest: Digest.parse(status.digest) }));
    this.#options.onLanes?.(report.lanes);
  }
}
