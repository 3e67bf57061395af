import type { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ClientName } from '../../registry/client-name.ts';
import type { PullObserver } from '../../registry/pull/pull-context.ts';
import type { RegistryCounters } from '../../registry/registry.ts';
import type { Metrics } from '../../status/metrics.ts';
import type { StoreHealth } from '../health/store-health.ts';

/** Counts what the registry endpoint and the push listener do. */
export class RegistryTally implements RegistryCounters {
  readonly #pulls: PullObserver;
  readonly #store: StoreHealth;
  readonly #onClient: (client: ClientName) => void;
  #metrics: Metrics | undefined;
  #toClientsBytes = 0;
  #vouchedBytes = 0;

  /** `pulls`: told of what clients were given, for receipts. `onClient`: of who asked. */
  constructor(pulls: PullObserver, store: StoreHealth, onClient: (client: ClientName) => void) {
    this.#pulls = pulls;
    this.#store = store;
    this.#onClient = onClient;
  }

  /** Blob bytes given to clients straight from a registry, before they were proven, since start. */
  get vouchedBytes(): number {
    return this.#vouchedBytes;
  }

  /** Blob bytes given to clients since start. */
  get toClientsBytes(): number {
    return this.#toClientsBytes;
  }

  /** The metrics are made from the status, which holds what is counted here. */
  connect(metrics: Metrics): void {
    this.#metrics = metrics;
  }

  answered(route: string, method: string, status: number, seconds: number, client: ClientName): void {
    this.#metrics?.answered(route, method, status, seconds);
    if (route === 'manifest' || route === 'blob') this.#onClient(client);
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

  storeRefused(error: LayerswarmError, size: number): void {
    this.#store.refused(error, size);
  }

  storeRefusal(size: number): LayerswarmError | undefined {
    return this.#store.refusalOf(size);
  }

  vouchedToClient(bytes: number): void {
    this.#vouchedBytes += bytes;
  }

  staleTag(): void {
    this.#metrics?.staleTag();
  }

  manifestServed(served: Parameters<PullObserver['manifestServed']>[0]): string {
    return this.#pulls.manifestServed(served);
  }

  manifestFailed(failed: Parameters<PullObserver['manifestFailed']>[0]): void {
    this.#pulls.manifestFailed(failed);
  }

  blobServed(served: Parameters<PullObserver['blobServed']>[0]): string | undefined {
    this.#metrics?.blobServed(served.source);
    return this.#pulls.blobServed(served);
  }

  pullOf(repository: string, digest: Digest): string | undefined {
    return this.#pulls.pullOf(repository, digest);
  }

  blobFailed(failed: Parameters<PullObserver['blobFailed']>[0]): void {
    this.#pulls.blobFailed(failed);
  }
}
