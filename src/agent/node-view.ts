import type { Logger } from '../log.ts';
import type { Origin } from '../origin/origin.ts';
import type { MirroredRegistry } from '../registry/registry.ts';
import type { ContainerdStatus, OriginStatus, Health, PartHealth, Receipt, ReplicationStatus, StatusDocument, TransferDocument } from '../status/status-document.ts';
import type { StatusSource } from '../status/status-source.ts';
import type { Store } from '../store/store.ts';
import type { Exchange } from '../swarm/exchange/exchange.ts';
import type { Libp2pNetwork } from '../swarm/network/libp2p-network.ts';
import { version } from '../version.ts';
import type { AgentConfig } from './config.ts';
import type { CurrentOrigin } from './current-origin.ts';
import type { ExcludedRepositories } from './excluded-repositories.ts';
import type { HostContent } from './host-content.ts';
import type { ImageList } from './image-list.ts';
import type { ReceiptRing } from './receipt-ring.ts';
import type { RegistryTally } from './registry-tally.ts';
import { servedRegistries } from './served-registries.ts';
import type { StoreHealth } from './store-health.ts';

export interface NodeViewParts {
  readonly config: Pick<AgentConfig, 'zone' | 'mirrors' | 'upstreams' | 'exclude'>;
  readonly network: Libp2pNetwork;
  readonly origins: CurrentOrigin;
  readonly embedded: boolean;
  readonly store: Store;
  readonly storeHealth: StoreHealth;
  readonly host: Pick<HostContent, 'status'> | undefined;
  readonly exchange: Exchange;
  readonly images: ImageList;
  readonly receipts: ReceiptRing;
  readonly tally: RegistryTally;
  readonly mirrors: readonly MirroredRegistry[];
  readonly excluded: ExcludedRepositories;
  readonly replication: { status(): ReplicationStatus };
}

/** A node as people and monitoring see it: one document out of all parts. */
export class NodeView implements StatusSource {
  readonly #parts: NodeViewParts;
  readonly #started = performance.now();
  readonly #lastStates = new Map<string, string>();

  constructor(parts: NodeViewParts) {
    this.#parts = parts;
  }

  status(): StatusDocument {
    const { config, network, origins, store, exchange, images, tally, mirrors, excluded } = this.#parts;
    const { blobs, bytes, maxBytes, partials } = store.stats();
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, vouchedBytes } = exchange.totals();
    return {
      version,
      peerId: network.self,
      zone: config.zone,
      uptimeSeconds: Math.floor((performance.now() - this.#started) / 1000),
      multiaddrs: network.multiaddrs(),
      origin: this.#origin(),
      registries: servedRegistries(config, origins.get(), mirrors),
      trust: { excludePatterns: config.exclude.length, excludedRepositories: excluded.count(store.images.repositories()), sharedWith: network.peers().length },
      store: { blobs, bytes, maxBytes: Number.isFinite(maxBytes) ? maxBytes : null, partial: partials, pinned: store.images.pins().length, state: this.#parts.storeHealth.reason === undefined ? 'ok' : 'degraded', reason: this.#parts.storeHealth.reason ?? null },
      containerd: this.#containerd(),
      traffic: { fromOriginBytes, fromPeersBytes, toPeersBytes, toClientsBytes: tally.toClientsBytes, vouchedBytes: vouchedBytes + tally.vouchedBytes },
      peers: network.peers().map(({ peerId, address, zone, direction, lane, latencyMs, sentBytes, receivedBytes }) => (
        { peerId, address, zone, direction, lane, latencyMs: latencyMs ?? null, sentBytes, receivedBytes, badPieces: exchange.badPieces(peerId) })),
      transfers: exchange.transfers().flatMap((transfer): TransferDocument[] => {
        const { digest, repository, sizeBytes, haveBytes, fromPeers, bytesPerSecond, state } = transfer;
        if (state === 'done' || state === 'failed') return [];
        const received = [...fromPeers.values()].reduce((sum, count) => sum + count, 0);
        return [{ digest: digest.toString(), repository, sizeBytes: sizeBytes ?? null, haveBytes, fromOriginBytes: transfer.fromOriginBytes, fromPeersBytes: received, bytesPerSecond, state }];
      }),
      images: images.list(),
      replication: this.#parts.replication.status(),
      bans: network.bans().map(({ peerId, reason, until }) => ({ peerId, reason, until: new Date(until).toISOString() })),
    };
  }

  async settled(): Promise<void> {
    await this.#parts.images.settled();
  }

  receipts(): readonly Receipt[] {
    return this.#parts.receipts.list();
  }

  liveness(): Health {
    // Whoever reads this was answered, and the store was opened: nothing else is worth a restart.
    return { agent: { state: 'ok' } };
  }

  readiness(): Health {
    const { origins, network, storeHealth } = this.#parts;
    const origin = this.#origin();
    const reason = origin.reason ?? origin.state;
    const originHealth: PartHealth = origins.get() === undefined ? { state: 'failed', reason }
      : origin.state === 'ok' || origin.state === 'unknown' ? { state: 'ok' } : { state: 'degraded', reason };
    return {
      store: storeHealth.reason === undefined ? { state: 'ok' } : { state: 'degraded', reason: storeHealth.reason },
      registry: { state: 'ok' },
      origin: originHealth,
      ...this.#mirrors(),
      swarm: network.peers().length > 0 ? { state: 'ok' } : { state: 'degraded', reason: 'no member is connected' },
    };
  }

  /** Asks the origin and the mirrors how they are, and logs when that has changed. Never throws. */
  async watchOrigins(signal: AbortSignal, log: Logger): Promise<void> {
    const { origins, embedded, mirrors } = this.#parts;
    const origin = embedded ? undefined : origins.get();
    await Promise.all([
      ...(origin === undefined ? [] : [this.#watch('the origin', origin, signal, log)]),
      ...mirrors.map((mirror) => this.#watch(`the mirror ${mirror.name}`, mirror.origin, signal, log)),
    ]);
  }

  async #watch(what: string, origin: Origin, signal: AbortSignal, log: Logger): Promise<void> {
    const { state, reason } = await origin.probe(signal);
    const now = `${origin.url} ${state}`;
    if (signal.aborted || now === this.#lastStates.get(what)) return;
    this.#lastStates.set(what, now);
    if (state === 'ok') log.info(`${what} answers`, { url: origin.url });
    else log.warn(`${what} does not serve this node`, { url: origin.url, state, reason });
  }

  /** Mirrors that are not well, in one part: each leaves the others alone. */
  #mirrors(): Health {
    const { mirrors } = this.#parts;
    const ill = mirrors.filter(({ origin: { health } }) => health.state !== 'ok' && health.state !== 'unknown');
    if (mirrors.length === 0) return {};
    return { mirrors: ill.length === 0 ? { state: 'ok' } : { state: 'degraded', reason: ill.map(({ name, origin: { health } }) => `${name}: ${health.reason ?? health.state}`).join('; ') } };
  }

  #containerd(): ContainerdStatus | null {
    const status = this.#parts.host?.status();
    if (status === undefined) return null;
    return { state: status.state, reason: status.state === 'unreachable' ? status.reason : null, blobs: status.blobs, bytes: status.bytes };
  }

  #origin(): OriginStatus {
    const { origins, embedded } = this.#parts;
    const { current, conflict, reason: why } = origins.state;
    const health = origins.get()?.health;
    const reason = why ?? health?.reason ?? null;
    const bytes = health?.bytes ?? 0;
    if (current === undefined) return { url: null, source: 'none', state: conflict === undefined ? 'unknown' : 'conflict', reason, bytes };
    const state = conflict === undefined ? health?.state ?? 'unknown' : 'conflict';
    return { url: current.url, source: embedded ? 'embedded' : current.source, state, reason, bytes };
  }
}
