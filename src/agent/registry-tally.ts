import type { Digest } from '../oci/digest.ts';
import type { RegistryCounters } from '../registry/registry.ts';
import type { Metrics } from '../status/metrics.ts';

/** Counts what the registry endpoint and the push listener do. */
export class RegistryTally implements RegistryCounters {
  #metrics: Metrics | undefined;
  #toClientsBytes = 0;

  /** Blob bytes given to clients since start. */
  get toClientsBytes(): number {
    return this.#toClientsBytes;
  }

  /** The metrics are made from the status, which holds what is counted here. */
  connect(metrics: Metrics): void {
    this.#metrics = metrics;
  }

  answered(route: string, method: string, status: number): void {
    this.#metrics?.answered(route, method, status);
  }

  sentToClient(bytes: number): void {
    this.#toClientsBytes += bytes;
  }

  cut(reason: 'stalled-client' | 'no-progress'): void {
    this.#metrics?.cut(reason);
  }

  refused(kind: string): void {
    this.#metrics?.refusedConnection(kind);
  }

  staleTag(): void {
    this.#metrics?.staleTag();
  }

  manifestServed(_served: { repository: string; reference: string; digest: Digest; isHead: boolean }): void {
    // Counted as an answer already.
  }

  blobServed({ fromStore }: { repository: string; digest: Digest; size: number; fromStore: boolean }): void {
    this.#metrics?.blobServed(fromStore ? 'store' : 'swarm');
  }
}
