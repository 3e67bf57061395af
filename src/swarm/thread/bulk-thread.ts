import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { programFile } from '../../program-files.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { GuardedBlobs } from '../../store/blobs/disk-blob-store.ts';
import type { PartialLender } from '../../store/partial/partial-owner.ts';
import type { EmitPolicy } from '../exchange/client-read.ts';
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
import type { BlobFetch, BlobOrigin, BlobRequest, Say } from '../swarm.ts';
import { PortRpc } from './port-rpc.ts';
import { ThreadFetches } from './thread-fetches.ts';
import { ThreadNetwork } from './thread-network.ts';
import { ThreadOrigins } from './thread-origins.ts';
import type { BulkWorkerOptions, MainMethods, SharedLimits, WorkerMethods } from './thread-protocol.ts';
import { ThreadProgress } from './thread-progress.ts';
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

/** A thread that has not ended by then is ended: of what an agent's stop may take this is a part, and its store is one that a crash leaves. */
const STOP_TIMEOUT_MS = 1500;
/** A thread that died gets a successor after this. */
const RESTART_MS = 500;
/** Whether the origin is another, and how far members are away, is looked at this often while blobs are fetched. */
const REFRESH_MS = 250;
/** What another part of the program reads from a member comes over in parts of this many bytes. */
const MEMBER_READ_BYTES = 1 << 20;

/**
 * A thread that has the transfers of its blobs whole: choosing, lanes, verification, files, serving. This is its side in the main thread,
 * which asks for blobs and hears of progress and the end; their bytes stay over there.
 */
export class BulkThread {
  readonly progress = new ThreadProgress();
  readonly #options: BulkThreadOptions;
  readonly #place: ThreadPlace;
  readonly #network: ThreadNetwork;
  readonly #store: ThreadStore;
  readonly #origins: ThreadOrigins;
  readonly #fetches: ThreadFetches;
  readonly #unsubscribe: () => void;
  readonly #refresh: NodeJS.Timeout;
  #thread: Worker | undefined;
  #worker = new PortRpc<MainMethods, WorkerMethods>(new LayerswarmError('unavailable', 'the bulk thread is not running yet'));
  #exited = Promise.withResolvers<void>();
  #port: number | undefined;
  #stopping = false;

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
      haveBytes: (digest) => {
        const transfer = this.progress.transfer(digest);
        return transfer?.state === 'fetching' ? transfer.haveBytes : undefined;
      },
    });
    this.#fetches = new ThreadFetches(options, { worker, origins: this.#origins, progress: this.progress });
    this.#unsubscribe = options.blobs.onChange(({ kind, digest }) => {
      if (kind === 'removed') this.#worker.notify('blobRemoved', { digest: digest.toString() });
    });
    this.#refresh = setInterval(() => {
      if (this.#fetches.held > 0) this.#tellNews();
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
    this.#tellNews();
    return this.#fetches.fetch(request);
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
        this.progress.take(report);
        this.#origins.count(report.read);
        this.#options.onLanes?.(report.lanes);
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
    this.progress.ended();
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
}
