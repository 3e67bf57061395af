/**
 * What `GET /api/v1/status` answers, and what the command line shows. Times are ISO 8601 in UTC; sizes and counters are bytes since
 * the agent's start unless said otherwise. Keys may be added, never renamed.
 */
export interface StatusDocument {
  readonly version: string;
  readonly peerId: string;
  /** What its operator calls this node; the host's name unless configured. */
  readonly name: string;
  readonly zone: string;
  readonly uptimeSeconds: number;
  readonly multiaddrs: readonly string[];
  readonly health: NodeHealth;
  readonly membership: MembershipStatus;
  readonly registries: readonly RegistryStatus[];
  readonly trust: TrustStatus;
  readonly origin: OriginStatus;
  /** null where the configuration names no operator. */
  readonly charter: CharterStatus | null;
  readonly store: StoreStatus;
  /** null where the node does not follow a containerd. */
  readonly containerd: ContainerdStatus | null;
  readonly traffic: TrafficStatus;
  readonly activity: ActivityStatus;
  readonly peers: readonly PeerStatus[];
  readonly transfers: readonly TransferDocument[];
  readonly images: readonly ImageStatus[];
  readonly replication: ReplicationStatus;
  /** Failures that nobody waited for, since the start; see the log. */
  readonly strayErrors: number;
  readonly bans: readonly { readonly peerId: string; readonly name: string; readonly reason: string; readonly until: string }[];
  /** What is bounded, and what of it is used now; docs/limits.md has what happens beyond. */
  readonly limits: readonly LimitStatus[];
}

export interface LimitStatus {
  readonly name: LimitName;
  readonly used: number;
  /** null without one. */
  readonly limit: number | null;
  /** The setting that changes it; null for a fixed one. */
  readonly setting: string | null;
}

export type LimitName =
  | 'members'
  | 'strangers'
  | 'bans'
  | 'clients'
  | 'uploads'
  | 'statusConnections'
  | 'eventListeners'
  | 'storeBytes'
  | 'files'
  | 'heapBytes'
  | 'bulkStrangers'
  | 'coordinated'
  | 'sending';

/** Copies to other registries; empty where none are configured. */
export interface ReplicationStatus {
  readonly policies: readonly string[];
  readonly targets: readonly ReplicationTargetStatus[];
  /** Copies that failed, or wait after a failure. */
  readonly troubled: readonly {
    readonly policy: string;
    readonly target: string;
    readonly repository: string;
    readonly tag: string;
    /** It is not tried again by itself. */
    readonly failed: boolean;
    readonly attempts: number;
    readonly error: string;
    readonly nextAt: string | null;
  }[];
}

export interface ReplicationTargetStatus {
  readonly name: string;
  readonly url: string;
  /** Tags that wait, are being copied, and have failed for good. */
  readonly waiting: number;
  readonly running: number;
  readonly failed: number;
  /** Age of the oldest that waits or runs; 0 when none does. */
  readonly lagSeconds: number;
  /** Since this node first had the target. */
  readonly copies: number;
  readonly sentBytes: number;
  readonly lastCopyAt: string | null;
  readonly lastError: string | null;
  readonly lastErrorAt: string | null;
}

export interface OriginStatus {
  /** null while none is known. */
  readonly url: string | null;
  readonly source: 'configured' | 'learned' | 'embedded' | 'none';
  /** What its images begin with, as people write them: a registry's host, or `NAME.embedded`. null while none is known. */
  readonly name: string | null;
  /** `conflict`: members name different origins, and this node was told none. */
  readonly state: 'unknown' | 'ok' | 'unreachable' | 'unauthorized' | 'conflict';
  /** One line, when the state is not ok. */
  readonly reason: string | null;
  /** Blob bytes read from it. */
  readonly bytes: number;
  /** When it last did what it was asked; null before the first time since the start. */
  readonly reachedAt: string | null;
  /** As a registry's; empty where this node is the origin. */
  readonly answers: Readonly<Record<string, number>>;
}

/** What the swarm's operator signed for all nodes. */
export interface CharterStatus {
  readonly swarm: string;
  /** The operator's public key. */
  readonly key: string;
  /** null while this node has met none. */
  readonly serial: number | null;
  /** Of the program, as the charter wants it; null where it does not say. */
  readonly version: string | null;
  /** Members that follow an older one; null: none of this operator. */
  readonly behind: readonly { readonly peerId: string; readonly name: string; readonly serial: number | null }[];
  /** Members, this node included, that run another version than the charter wants. */
  readonly otherVersions: readonly { readonly peerId: string; readonly name: string; readonly agent: string }[];
  /** Why the last one that was offered was refused; null once one was taken. */
  readonly refused: string | null;
}

/** A registry whose images this node serves. */
export interface RegistryStatus {
  /** As in references. */
  readonly name: string;
  /** `origin`: the swarm's own. `alias`: the origin answers for it. `mirror`: an upstream of its own. */
  readonly kind: 'origin' | 'alias' | 'mirror';
  /** Where this node reads it; null for an alias. */
  readonly url: string | null;
  /** As the origin's. null for an alias, which is as well as the origin is. */
  readonly state: 'unknown' | 'ok' | 'unreachable' | 'unauthorized' | null;
  /** One line, when the state is not ok. */
  readonly reason: string | null;
  /** Blob bytes read from it. */
  readonly bytes: number;
  /** As the origin's; null for an alias. */
  readonly reachedAt: string | null;
  /** How often it gave each status (`200`), and how often none (`timeout`, `unreachable`), since the start. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Who may read what this node holds: members of the swarm all of it, but for what is excluded. */
export interface TrustStatus {
  /** Patterns of `exclude`. */
  readonly excludePatterns: number;
  /** Repositories here that they fit: read from their registry only, and given to no member. */
  readonly excludedRepositories: number;
  /** Members that this node shares all else with now. */
  readonly sharedWith: number;
}

export interface StoreStatus {
  readonly blobs: number;
  readonly bytes: number;
  /** null without a limit. */
  readonly maxBytes: number | null;
  /** Unfinished blobs. */
  readonly partial: number;
  /** Pinned images. */
  readonly pinned: number;
  /** `degraded`: it takes no new blobs, and they pass through from their registry to clients. */
  readonly state: 'ok' | 'degraded';
  /** One line, when the state is not ok. */
  readonly reason: string | null;
  /** Blobs that left the store since the start. */
  readonly removed: number;
  /** Of the file system, and what of it stays unused; null before it was looked at. */
  readonly freeBytes: number | null;
  readonly reserveBytes: number;
}

/** Who may join, and who tried without the key. */
export interface MembershipStatus {
  /** Ids of the swarm keys, as "layerswarm key" prints them; the first is offered. None where anybody may join. */
  readonly keyIds: readonly string[];
  /** Since the start, by reason. */
  readonly handshakeFailures: { readonly other_key: number; readonly broken: number };
  /** Peers that were cut since the start, by what they did. */
  readonly peerFaults: {
    readonly invalid_message: number;
    readonly no_hello: number;
    readonly does_not_read: number;
    readonly silent: number;
    readonly over_share: number;
  };
  /** Messages of types that this version does not know, and passed over, since the start: of members that run a later one. */
  readonly unknownMessages: number;
  /** Hosts that showed another swarm key in the last hour, the latest first. */
  readonly strangers: readonly StrangerStatus[];
  /** Members that lately gave far less than others did, or very little where nobody else gave (`othersBytesPerSecond` is null). */
  readonly slow: readonly {
    readonly peerId: string;
    readonly name: string;
    readonly bytesPerSecond: number;
    readonly othersBytesPerSecond: number | null;
  }[];
  /** Peers that were banned since the start, by reason. */
  readonly bansByReason: Readonly<Record<string, number>>;
}

export interface StrangerStatus {
  /** IP address. */
  readonly address: string;
  readonly failures: number;
  readonly lastAt: string;
}

/** What containerd on this host holds and members are given from where it lies; none of it counts as the store's. */
export interface ContainerdStatus {
  readonly state: 'starting' | 'ok' | 'unreachable';
  /** One line, when the state is not ok. */
  readonly reason: string | null;
  readonly blobs: number;
  readonly bytes: number;
}

export interface TrafficStatus {
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly toPeersBytes: number;
  readonly toClientsBytes: number;
  /** Of those, given before they were proven: see `emit` in the configuration. */
  readonly vouchedBytes: number;
  /** Pieces from members that turned out wrong, of members that are remembered. */
  readonly rejectedPieces: number;
  /** Pieces of blobs that came and were proven. */
  readonly verifiedPieces: number;
}

/** What goes on now. */
export interface ActivityStatus {
  /** Extents that this node has given members, or itself, to read from the origin. */
  readonly leases: number;
  /** Extents that it reads. */
  readonly reads: number;
  /** Ranges that members asked for: those on their way, and those that wait for their turn. */
  readonly uploads: { readonly sending: number; readonly waiting: number };
}

export interface PeerStatus {
  readonly peerId: string;
  /** Empty where it did not say. */
  readonly name: string;
  /** Program and version. */
  readonly agent: string;
  readonly address: string;
  readonly zone: string;
  readonly direction: 'inbound' | 'outbound';
  readonly lane: 'none' | 'stream' | 'tls';
  readonly latencyMs: number | null;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly badPieces: number;
}

export interface TransferDocument {
  readonly digest: string;
  readonly repository: string;
  readonly sizeBytes: number | null;
  readonly haveBytes: number;
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly bytesPerSecond: number;
  readonly state: 'finding' | 'fetching' | 'verifying' | 'done' | 'failed';
}

export interface ImageStatus {
  readonly reference: string;
  readonly digest: string;
  /** Of everything that its manifest, or the chosen child of its index, names. */
  readonly sizeBytes: number;
  readonly complete: boolean;
}

/**
 * `bad`: it does not do its work. `degraded`: it does, with less than it should have. `unknown`: nothing was seen of it yet.
 */
export type HealthLevel = 'ok' | 'degraded' | 'bad' | 'unknown';

export interface PartHealth {
  readonly level: HealthLevel;
  /** One line for a person: what, why, what to do. */
  readonly sentence: string;
  /** Since when the level is this. */
  readonly since: string;
}

/** A node as well as its worst part. */
export interface NodeHealth extends PartHealth {
  /** Whether pulls can be served. */
  readonly ready: boolean;
  /** `origin`, `mirror NAME`, `members`, `store`, `clock`, `runtimes`. */
  readonly parts: Readonly<Record<string, PartHealth>>;
}
