import type { HealthLevel } from './status-document.ts';

/**
 * What `GET /api/v1/swarm` answers: the swarm as one node sees it. Of other members it holds what they said of themselves when they
 * were asked, which is while somebody looks. Entries by key, so that the events of `/api/v1/swarm/events` tell what changed of them.
 * Keys may be added, never renamed. Times are milliseconds since the epoch; rates bytes a second.
 */
export interface SwarmDocument {
  /** `self`, `today`, `hour`, `origin`: one entry each. */
  readonly about: { readonly self: AboutSelf; readonly today: AboutToday; readonly hour: AboutHour };
  /** By peer id. */
  readonly nodes: Readonly<Record<string, SwarmNode>>;
  readonly flows: Readonly<Record<string, SwarmFlow>>;
  readonly transfers: Readonly<Record<string, SwarmTransfer>>;
  /** The last ones of all nodes. */
  readonly pulls: Readonly<Record<string, SwarmPull>>;
  readonly images: Readonly<Record<string, SwarmImage>>;
  readonly registries: Readonly<Record<string, SwarmRegistry>>;
  readonly troubles: Readonly<Record<string, SwarmTrouble>>;
  readonly jobs: Readonly<Record<string, SwarmJob>>;
}

export type SwarmCollection = keyof SwarmDocument;

/** The node whose page this is. */
export interface AboutSelf {
  readonly peerId: string;
  readonly name: string;
  readonly zone: string;
  readonly version: string;
  readonly startedAt: number;
  readonly ready: boolean;
  readonly level: HealthLevel;
  readonly sentence: string;
  readonly keyIds: readonly string[];
  /** Members that are connected, and those of them that told of themselves. */
  readonly members: number;
  readonly told: number;
}

/** Bytes since midnight of all nodes that told. */
export interface AboutToday {
  readonly originBytes: number;
  readonly peersBytes: number;
}

/** Bytes a minute of all nodes that told, sixty of them, the latest last. */
export interface AboutHour {
  /** Of the last, in minutes since the epoch. */
  readonly minute: number;
  readonly origin: readonly number[];
  readonly peers: readonly number[];
}

export interface SwarmNode {
  /** Stands for it in lists of nodes. */
  readonly number: number;
  readonly peerId: string;
  readonly name: string;
  readonly zone: string;
  readonly isSelf: boolean;
  /** `asked`: no answer yet. `silent`: it gave none in time. `unable`: its version does not tell. */
  readonly answer: 'told' | 'asked' | 'silent' | 'unable';
  readonly version: string;
  readonly level: HealthLevel;
  readonly sentence: string;
  readonly startedAt: number | null;
  readonly latencyMs: number | null;
  readonly storeBytes: number;
  readonly storeMaxBytes: number | null;
  readonly blobs: number;
  /** Complete images. */
  readonly images: number;
  readonly transfers: number;
  readonly fromOrigin: number;
  readonly fromPeers: number;
  readonly toPeers: number;
}

/** What goes to one node from another, or from the origin. */
export interface SwarmFlow {
  /** Peer id, or `origin`. */
  readonly from: string;
  readonly to: string;
  readonly bytesPerSecond: number;
}

export interface SwarmTransfer {
  readonly node: string;
  readonly digest: string;
  readonly repository: string;
  readonly state: 'finding' | 'fetching' | 'verifying';
  readonly sizeBytes: number | null;
  readonly haveBytes: number;
  readonly bytesPerSecond: number;
  /** Who gave what of it: peer ids, or `origin`. */
  readonly sources: readonly { readonly source: string; readonly bytes: number }[];
  /**
   * What of the blob came from where: 48 parts in their order, each told of the piece in its middle. The index in `sources` of who gave it;
   * -1: not here yet; -2: here before the transfer; -3: from somebody who is not listed. Empty while nothing is known of its pieces.
   */
  readonly strip: readonly number[];
}

export interface SwarmPull {
  readonly node: string;
  readonly id: string;
  readonly client: string;
  readonly result: 'done' | 'failed' | 'aborted';
  readonly reference: string;
  readonly verdict: string;
  readonly finishedAt: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly fromStoreBytes: number;
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
}

/** `GET /api/v1/swarm/pulls/PEER/ID`. */
export interface SwarmPullDetail extends SwarmPull {
  readonly digest: string;
  readonly error: string | null;
  readonly startedAt: number;
  readonly firstByteSeconds: number | null;
  readonly waitedSeconds: number;
  readonly verifySeconds: number;
  readonly stalls: number;
  readonly retries: number;
  readonly verified: boolean;
  readonly stale: boolean;
  readonly sources: readonly { readonly source: string; readonly name: string; readonly bytes: number }[];
  readonly phases: readonly { readonly name: string; readonly seconds: number }[];
  /** The slowest. */
  readonly blobs: readonly SwarmPullBlob[];
  readonly blobCount: number;
}

export interface SwarmPullBlob {
  readonly digest: string;
  readonly bytes: number;
  readonly wasHere: boolean;
  readonly seconds: number;
  readonly waitedSeconds: number;
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly stalls: number;
  readonly retries: number;
  /** As `SwarmTransfer.strip`, of the pull's `sources`; empty where nothing is known of its pieces. */
  readonly strip: readonly number[];
}

/** Lists are of `SwarmNode.number`, and of the first of them only. */
export interface SwarmImage {
  readonly reference: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly holds: number;
  readonly partly: number;
  readonly lacks: number;
  readonly holdsNodes: readonly number[];
  readonly partlyNodes: readonly number[];
  readonly lacksNodes: readonly number[];
}

export interface SwarmRegistry {
  readonly name: string;
  readonly kind: 'origin' | 'alias' | 'mirror';
  /** Where this node reads it. */
  readonly url: string | null;
  /** As this node sees it; null for an alias, or where only others have it. */
  readonly state: string | null;
  readonly reason: string | null;
  /** Blob bytes that this node read from it. */
  readonly bytes: number;
  /** Of the nodes that told: how many have it, and how many of those cannot use it now. */
  readonly nodes: number;
  readonly failing: number;
}

export interface SwarmTrouble {
  readonly node: string;
  readonly kind: 'health' | 'ban';
  readonly level: HealthLevel;
  /** Of health its part, of a ban the peer id of who is banned. */
  readonly subject: string;
  /** What who is banned was called; empty where nobody knows. */
  readonly name: string;
  readonly sentence: string;
  readonly since: number;
}

export interface SwarmJob {
  readonly node: string;
  readonly kind: 'seed' | 'preheat';
  readonly title: string;
  readonly state: 'running' | 'done' | 'failed';
  /** What it does now, or how it ended. */
  readonly step: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly nodesDone: number;
  readonly nodes: number;
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** An event of `GET /api/v1/swarm/events`: entries that are new or changed, and keys of those that are gone. */
export interface SwarmChange {
  /** It holds everything: what was there before is no more. */
  readonly full: boolean;
  readonly set: { readonly [Collection in SwarmCollection]?: Readonly<Record<string, unknown>> };
  readonly gone: { readonly [Collection in SwarmCollection]?: readonly string[] };
}
