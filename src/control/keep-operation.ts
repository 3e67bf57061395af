export interface PinRequest {
  readonly reference: string;
  /** How many nodes of the swarm should hold the image at least, this one among them. */
  readonly copies?: number | undefined;
  /** Also on the members that allow it. */
  readonly everywhere?: boolean | undefined;
  /** Only on the members of this zone, and this node where it is of it. */
  readonly zone?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface PinStatus {
  readonly reference: string;
  /** null without a minimum. */
  readonly copies: number | null;
  /** Nodes that held the whole image when that was last counted. */
  readonly holders: number | null;
}

export interface PinReport extends PinStatus {
  /** Bytes of it that are here now. */
  readonly bytes: number;
  readonly complete: boolean;
  /** Where it was to be pinned, when that was not only here. */
  readonly nodes?: readonly PinNode[];
}

export interface PinNode {
  readonly peerId: string;
  /** What it calls itself; empty where it has said nothing. */
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  /** `refused`: its configuration does not allow it. */
  readonly state: 'done' | 'failed' | 'refused' | 'gone';
  readonly reason: string | null;
  /** It was otherwise before. */
  readonly changed: boolean;
  /** Bytes of a pinned image that are there now. */
  readonly bytes: number;
  readonly complete: boolean;
}

export interface UnpinRequest {
  readonly reference: string;
  readonly everywhere?: boolean | undefined;
  readonly zone?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface UnpinReport {
  readonly reference: string;
  /** On any of the nodes that were asked. */
  readonly wasPinned: boolean;
  readonly nodes?: readonly PinNode[];
}

export interface PurgeRequest {
  readonly reference: string;
  readonly everywhere?: boolean | undefined;
  readonly zone?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface PurgeReport {
  readonly reference: string;
  readonly digest: string;
  readonly dryRun: boolean;
  readonly nodes: readonly PurgeOutcome[];
}

export interface PurgeOutcome {
  readonly peerId: string;
  /** What it calls itself; empty where it has said nothing. */
  readonly name: string;
  readonly address: string;
  readonly state: 'done' | 'failed' | 'refused' | 'gone';
  readonly reason: string | null;
  /** Blobs and manifests. */
  readonly removed: number;
  readonly bytes: number;
  /** What stayed, since other images need it. */
  readonly kept: number;
  readonly tags: number;
  /** Parts of it that containerd on that host keeps in its own store: they go when the image is removed there. */
  readonly heldByRuntime: number;
}

export interface GcRequest {
  readonly maxAgeMs?: number | undefined;
  readonly targetBytes?: number | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface GcSummary {
  readonly dryRun: boolean;
  readonly removed: readonly { readonly digest: string; readonly bytes: number; readonly kind: 'blob' | 'partial' }[];
  readonly bytes: number;
}

export interface VerifyRequest {
  /** Says what is wrong, and moves or fetches nothing. */
  readonly dryRun?: boolean | undefined;
  /** True when absent. */
  readonly repair?: boolean | undefined;
}

export interface VerifyProgress {
  readonly blobs: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface VerifyReport {
  readonly blobs: number;
  readonly bytes: number;
  /** Digests whose bytes on disk were wrong or gone; such bytes are in the quarantine now, or in containerd's store and not used. */
  readonly corrupt: readonly string[];
  /** Of those, what was fetched again. */
  readonly repaired: readonly string[];
  /** And what was not, with the reason. */
  readonly unrepaired: readonly { readonly digest: string; readonly reason: string }[];
}
