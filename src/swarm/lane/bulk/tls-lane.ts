import { LayerswarmError } from '../../../errors.ts';
import type { Digest } from '../../../oci/digest.ts';
import { abortedBy } from '../abort.ts';
import type { ByteRange, Lane, RangeTarget } from '../lane.ts';
import type { LaneCounters, MainMethods, Sink, WorkerMethods } from './bulk-protocol.ts';
import type { PortRpc } from './port-rpc.ts';

export interface TlsLaneParts {
  readonly id: number;
  readonly peerId: string;
  readonly worker: PortRpc<MainMethods, WorkerMethods>;
  /** Finds out where the worker is to write, until `release`. */
  sink(target: RangeTarget): { readonly sink: Sink; readonly release: () => void };
}

/** The lane that a worker runs, as the main thread has it: what it says travels there, the bytes do not travel here. */
export class TlsLane implements Lane {
  readonly kind = 'tls';
  readonly id: number;
  readonly peerId: string;
  readonly #parts: TlsLaneParts;
  #counters: LaneCounters;
  #retired = false;
  #closed = false;

  constructor(parts: TlsLaneParts) {
    this.id = parts.id;
    this.peerId = parts.peerId;
    this.#parts = parts;
    this.#counters = { lane: parts.id, sentBytes: 0, receivedBytes: 0 };
  }

  /** As of a tenth of a second ago, as the other. */
  get sentBytes(): number {
    return this.#counters.sentBytes;
  }

  get receivedBytes(): number {
    return this.#counters.receivedBytes;
  }

  async request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array> {
    this.#check(signal);
    const { sink, release } = this.#parts.sink(target);
    try {
      return await this.#parts.worker.call('request', { lane: this.id, blob: blob.toString(), range, sink }, { signal });
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    try {
      await this.#parts.worker.call('closeLane', { lane: this.id });
    } catch (error) {
      // Without its worker it is closed already.
      if (!(error instanceof LayerswarmError)) throw error;
    }
  }

  /** Takes nothing new; closes when what is under way has ended. */
  drain(): void {
    this.#parts.worker.notify('drainLane', { lane: this.id });
  }

  /** Nothing can be begun on it any longer. False when this was known. */
  retire(): boolean {
    const was = !this.#retired;
    this.#retired = true;
    return was;
  }

  count(counters: LaneCounters): void {
    this.#counters = counters;
  }

  #check(signal: AbortSignal): void {
    if (signal.aborted) throw abortedBy(signal);
    if (this.#retired || this.#closed) throw new LayerswarmError('peer-gone', `the lane to peer ${this.peerId} is closed`);
  }
}
