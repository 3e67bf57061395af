import type { Logger } from '../../log.ts';
import type { MirroredRegistry } from '../../registry/registry.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import type {
  ContainerdStatus,
  LimitStatus,
  MembershipStatus,
  NodeHealth,
  OriginStatus,
  ReplicationStatus,
  StatusDocument,
  TransferDocument,
} from '../../status/status-document.ts';
import type { StatusSource } from '../../status/status-source.ts';
import type { Store } from '../../store/store.ts';
import type { BulkThreads } from '../../swarm/thread/bulk-threads.ts';
import type { Libp2pNetwork } from '../../swarm/network/libp2p-network.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { version } from '../../version.ts';
import type { FollowedCharter } from '../charter/followed-charter.ts';
import type { SwarmRules } from '../charter/swarm-rules.ts';
import type { AgentConfig } from '../config/config.ts';
import type { CurrentOrigin } from '../origins/current-origin.ts';
import type { ExcludedRepositories } from '../config/excluded-repositories.ts';
import type { ContainerdContent } from '../keep/containerd-content.ts';
import type { ImageList } from './image-list.ts';
import type { PeerNames } from '../peer-names.ts';
import type { ReceiptBook } from '../pull/receipt-book.ts';
import type { RegistryTally } from '../origins/registry-tally.ts';
import type { DiskWatch } from '../health/disk-watch.ts';
import type { Finding } from '../health/finding.ts';
import { findClock, findMembers, findMirror, findOrigin, findStore } from '../health/findings.ts';
import { HealthWatch } from '../health/health-watch.ts';
import type { RuntimeWatch } from '../health/runtime-watch.ts';
import { isoTime, servedRegistries } from '../origins/served-registries.ts';
import type { StoreHealth } from '../health/store-health.ts';

export interface NodeViewParts {
  readonly config: Pick<AgentConfig, 'data' | 'name' | 'zone' | 'limits'>;
  readonly rules: Pick<SwarmRules, 'aliases' | 'exclude'>;
  /** undefined where the configuration names no operator. */
  readonly charter: Pick<FollowedCharter, 'status'> | undefined;
  readonly network: Libp2pNetwork;
  readonly peers: PeerNames;
  readonly origins: CurrentOrigin;
  readonly embedded: boolean;
  /** A registry's name as people know it. */
  readonly shown: (text: string) => string;
  readonly store: Store;
  readonly storeHealth: StoreHealth;
  readonly containerd: Pick<ContainerdContent, 'status'> | undefined;
  readonly exchange: BulkThreads;
  readonly images: ImageList;
  readonly receipts: ReceiptBook;
  readonly tally: RegistryTally;
  readonly mirrors: () => readonly MirroredRegistry[];
  readonly excluded: ExcludedRepositories;
  readonly replication: { status(): ReplicationStatus };
  /** Of the keys that this node accepts. */
  readonly keyIds: readonly string[];
  readonly disk: DiskWatch;
  readonly runtimes: RuntimeWatch;
  readonly log: Logger;
  readonly strayErrors: () => number;
  readonly limits: () => readonly LimitStatus[];
}

/** A node as people and monitoring see it: one document out of all parts. */
export class NodeView implements StatusSource {
  readonly #parts: NodeViewParts;
  readonly #started = performance.now();
  readonly #health: HealthWatch;
  #removed = 0;
  #rejected = 0;

  constructor(parts: NodeViewParts) {
    this.#parts = parts;
    parts.store.blobs.onChange(({ kind }) => {
      if (kind === 'removed') this.#removed += 1;
    });
    this.#health = new HealthWatch({
      find: () => this.#find(),
      // A node whose origin is away serves what the swarm has, and one whose disk is full passes images through; one that never
      // reached its origin can vouch for nothing.
      isReady: ({ origin }) => origin?.level !== 'unknown' && this.#origin().reachedAt !== null,
      log: parts.log,
      now: Date.now,
    });
  }

  status(): StatusDocument {
    const { config, rules, network, peers, origins, store, exchange, images, tally, mirrors, excluded } = this.#parts;
    const { blobs, bytes, maxBytes, partials } = store.stats();
    const { fromOriginBytes, fromPeersBytes, toPeersBytes, verifiedPieces, vouchedBytes } = exchange.totals();
    const { leases, reads, sending, waiting } = exchange.activity();
    return {
      version,
      peerId: network.self,
      name: config.name,
      zone: config.zone,
      uptimeSeconds: Math.floor((performance.now() - this.#started) / 1000),
      multiaddrs: network.multiaddrs(),
      health: this.health(),
      membership: this.#membership(),
      origin: this.#origin(),
      charter: this.#parts.charter?.status() ?? null,
      registries: servedRegistries({ mirrors: rules.aliases }, origins.get(), mirrors()),
      trust: {
        excludePatterns: rules.exclude.length,
        excludedRepositories: excluded.count(store.images.repositories()),
        sharedWith: network.peers().length,
      },
      store: {
        blobs,
        bytes,
        maxBytes: Number.isFinite(maxBytes) ? maxBytes : null,
        partial: partials,
        pinned: store.images.pins().length,
        removed: this.#removed,
        ...this.#space(),
        state: this.#parts.storeHealth.refusal === undefined ? 'ok' : 'degraded',
        reason: this.#parts.storeHealth.refusal?.reason ?? null,
      },
      containerd: this.#containerd(),
      traffic: {
        fromOriginBytes,
        fromPeersBytes,
        toPeersBytes,
        toClientsBytes: tally.toClientsBytes,
        vouchedBytes: vouchedBytes + tally.vouchedBytes,
        rejectedPieces: this.#rejectedPieces(),
        verifiedPieces,
      },
      activity: { leases, reads, uploads: { sending, waiting } },
      peers: network
        .peers()
        .map(({ peerId, name, agent, address, zone, direction, lane, latencyMs, sentBytes, receivedBytes }) => ({
          peerId,
          name,
          agent,
          address,
          zone,
          direction,
          lane,
          latencyMs: latencyMs ?? null,
          sentBytes,
          receivedBytes,
          badPieces: exchange.badPieces(peerId),
        })),
      transfers: exchange.transfers().flatMap((transfer): TransferDocument[] => {
        const { digest, repository, sizeBytes, haveBytes, fromPeers, bytesPerSecond, state } = transfer;
        if (state === 'done' || state === 'failed') return [];
        const received = [...fromPeers.values()].reduce((sum, count) => sum + count, 0);
        return [
          {
            digest: digest.toString(),
            repository,
            sizeBytes: sizeBytes ?? null,
            haveBytes,
            fromOriginBytes: transfer.fromOriginBytes,
            fromPeersBytes: received,
            bytesPerSecond,
            state,
          },
        ];
      }),
      images: images.list(),
      replication: this.#parts.replication.status(),
      strayErrors: this.#parts.strayErrors(),
      bans: network
        .bans()
        .map(({ peerId, reason, until }) => ({ peerId, name: peers.of(peerId), reason, until: new Date(until).toISOString() })),
      limits: this.#parts.limits(),
    };
  }

  async settled(): Promise<void> {
    await this.#parts.images.settled();
  }

  receipts(): readonly Receipt[] {
    return this.#parts.receipts.list();
  }

  health(): NodeHealth {
    return this.#health.look();
  }

  /** Asks the origin and the mirrors how they are. Never throws. */
  async probeOrigins(signal: AbortSignal): Promise<void> {
    const { origins, embedded, mirrors } = this.#parts;
    const origin = embedded ? undefined : origins.get();
    await Promise.all(
      [...(origin === undefined ? [] : [origin]), ...mirrors().map((mirror) => mirror.origin)].map((asked) => asked.probe(signal)),
    );
    if (!signal.aborted) this.health();
  }

  /** Looks at the host. Never throws. */
  async lookAround(): Promise<void> {
    await Promise.all([this.#parts.disk.look(), this.#parts.runtimes.look()]);
    this.health();
  }

  #find(): Record<string, Finding> {
    const { config, network, origins, mirrors, disk, storeHealth, runtimes, keyIds } = this.#parts;
    const peers = network.peers();
    const { strangers, slow } = this.#membership();
    return {
      origin: findOrigin(this.#origin()),
      ...Object.fromEntries(mirrors().map(({ name, origin }) => [`mirror ${name}`, findMirror(name, origin.url, origin.health)])),
      members: findMembers({ peers, strangers, slow, keyId: keyIds[0], uptimeMs: performance.now() - this.#started }),
      store: findStore(disk.space, disk.reserveBytes, config.data, storeHealth.refusal),
      clock: findClock(peers, origins.get()?.health.clockAheadMs),
      runtimes: runtimes.find(),
    };
  }

  #membership(): MembershipStatus {
    const { exchange, network, peers, keyIds } = this.#parts;
    const { limits } = this.#parts.config;
    const { handshakes } = network;
    const { invalidMessages, helloTimeouts, queueOverflows, silent, unknownMessages } = network.counts();
    return {
      keyIds,
      slow: exchange
        .slowPeers()
        // one alone gives no more than this node takes
        .filter(
          ({ othersBytesPerSecond, bytesPerSecond }) =>
            othersBytesPerSecond !== undefined || limits.download === 0 || bytesPerSecond < limits.download / 8,
        )
        .map(({ peerId, bytesPerSecond, othersBytesPerSecond }) => ({
          peerId,
          name: peers.of(peerId),
          bytesPerSecond,
          othersBytesPerSecond: othersBytesPerSecond ?? null,
        })),
      bansByReason: Object.fromEntries(network.banCounts()),
      handshakeFailures: { ...handshakes.failures },
      peerFaults: {
        invalid_message: invalidMessages,
        no_hello: helloTimeouts,
        does_not_read: queueOverflows,
        silent,
        over_share: exchange.peersOverShare,
      },
      unknownMessages,
      strangers: handshakes.strangers().map(({ lastAt, ...stranger }) => ({ ...stranger, lastAt: new Date(lastAt).toISOString() })),
    };
  }

  /** A counter does not go back when a peer is forgotten. */
  #rejectedPieces(): number {
    const { network, exchange } = this.#parts;
    const known = new Set([...network.peers(), ...network.bans()].map(({ peerId }) => peerId));
    this.#rejected = Math.max(
      this.#rejected,
      [...known].reduce((sum, peerId) => sum + exchange.badPieces(peerId), 0),
    );
    return this.#rejected;
  }

  #space(): { freeBytes: number | null; reserveBytes: number } {
    const { space, reserveBytes } = this.#parts.disk;
    return { freeBytes: space?.kind === 'known' ? space.freeBytes : null, reserveBytes };
  }

  #containerd(): ContainerdStatus | null {
    const status = this.#parts.containerd?.status();
    if (status === undefined) return null;
    return { state: status.state, reason: status.state === 'unreachable' ? status.reason : null, blobs: status.blobs, bytes: status.bytes };
  }

  #origin(): OriginStatus {
    const { origins, embedded } = this.#parts;
    const { current, conflict, reason: why } = origins.state;
    const health = origins.get()?.health;
    const reason = why ?? health?.reason ?? null;
    const seen = { bytes: health?.bytes ?? 0, reachedAt: isoTime(health?.reachedAt), answers: Object.fromEntries(health?.answers ?? []) };
    if (current === undefined)
      return { url: null, source: 'none', name: null, state: conflict === undefined ? 'unknown' : 'conflict', reason, ...seen };
    const state = conflict === undefined ? (health?.state ?? 'unknown') : 'conflict';
    return {
      url: current.url,
      source: embedded ? 'embedded' : current.source,
      name: this.#parts.shown(registryNameOf(current.url)),
      state,
      reason,
      ...seen,
    };
  }
}
