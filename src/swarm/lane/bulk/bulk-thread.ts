import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Worker } from 'node:worker_threads';
import { LayerswarmError } from '../../../errors.ts';
import type { Bandwidth } from '../pace/bandwidth.ts';
import { BulkLanes } from './bulk-lanes.ts';
import type { BulkWorkerOptions, MainMethods, WorkerMethods } from './bulk-protocol.ts';
import { HostedPartials } from './hosted-partials.ts';
import { PortRpc } from './port-rpc.ts';

export interface BulkOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly stallMs?: number | undefined;
  readonly idleMs?: number | undefined;
  /** What this thread may use together with the others; without it there is no limit. */
  readonly bandwidth?: Bandwidth | undefined;
}

const STOP_TIMEOUT_MS = 3000;
/** Compiled, this file and the worker's are `.js`. */
const WORKER_FILE = new URL(import.meta.url.endsWith('.ts') ? './bulk-worker.ts' : './bulk-worker.js', import.meta.url);

/**
 * The worker thread that has the bulk port, the TLS lanes and the files of unfinished blobs, so that the bytes of a transfer
 * cross no other thread.
 */
export class BulkThread {
  readonly worker: PortRpc<MainMethods, WorkerMethods>;
  readonly lanes: BulkLanes;
  readonly partials: HostedPartials;
  readonly #thread: Worker;
  readonly #host: string;
  readonly #exited = Promise.withResolvers<void>();
  #port = 0;
  #fingerprint: Uint8Array = new Uint8Array(0);
  #stopping = false;

  private constructor(options: BulkOptions, onFailure: (error: LayerswarmError) => void) {
    const workerData: BulkWorkerOptions = { stallMs: options.stallMs, idleMs: options.idleMs, bandwidth: options.bandwidth?.shared };
    this.#host = options.host;
    this.#thread = new Worker(WORKER_FILE, { workerData, name: 'bulk' });
    this.lanes = new BulkLanes(() => this.worker, this);
    this.partials = new HostedPartials(() => this.worker, this);
    this.worker = new PortRpc<MainMethods, WorkerMethods>(this.#thread, { ...this.lanes.handlers, ...this.partials.handlers });
    let cause: unknown;
    this.#thread.on('error', (error) => { cause = error; });
    this.#thread.on('exit', () => {
      const error = new LayerswarmError('peer-gone', 'the bulk thread has ended', { cause });
      this.worker.close(error);
      this.lanes.close();
      this.#exited.resolve();
      if (!this.#stopping) onFailure(error);
    });
  }

  /**
   * Listens on the bulk port. `onFailure`: the thread died by itself; its lanes are closed, and stream lanes take over.
   * @throws `port-taken`, `config-invalid`
   */
  static async start(options: BulkOptions, onFailure: (error: LayerswarmError) => void): Promise<BulkThread> {
    const thread = new BulkThread(options, onFailure);
    try {
      thread.#fingerprint = await thread.worker.call('fingerprint', undefined);
      thread.#port = await thread.worker.call('listen', { host: options.host, port: options.port });
      return thread;
    } catch (error) {
      await thread.kill();
      throw error;
    }
  }

  /** SHA-256 of the certificate on the bulk port. */
  get fingerprint(): Uint8Array {
    return this.#fingerprint;
  }

  get port(): number {
    return this.#port;
  }

  /** Where peers may reach the bulk port, `HOST:PORT`; every address of this host when it listens on all. */
  addresses(): string[] {
    const wildcard = this.#host === '0.0.0.0' || this.#host === '::';
    const hosts = wildcard ? ownAddresses(this.#host === '::') : [this.#host];
    return hosts.map((host) => `${isIPv6(host) ? `[${host}]` : host}:${this.#port}`);
  }

  /** Closes the lanes and the port. Unfinished blobs must be closed before. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const timer = setTimeout(() => { void this.#thread.terminate(); }, STOP_TIMEOUT_MS);
    try {
      await this.worker.call('stop', undefined);
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
    await this.#thread.terminate();
    await this.#exited.promise;
  }
}

function ownAddresses(withIPv6: boolean): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const reachable = all.filter(({ address, family, internal }) => !internal && isIP(address) !== 0 && (family === 'IPv4' || (withIPv6 && !address.startsWith('fe80'))));
  return (reachable.length > 0 ? reachable : all.filter(({ family }) => family === 'IPv4')).map(({ address }) => address);
}
