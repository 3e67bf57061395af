import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';

/**
 * The one registry that decides what a tag means and holds every blob. Repositories are named without the registry host, as in
 * `/v2/<repository>/…`. Every method throws LayerswarmError: `not-found`, `origin-unreachable`, `origin-unauthorized`,
 * `origin-denied`, `origin-rate-limited`, `digest-mismatch`, `timeout`, `aborted`.
 * Implementations: an OCI registry over HTTP(S); the embedded origin of this node; the embedded origin of another member.
 */
export interface Origin {
  /** Identity for people and for comparing with other members: `https://registry.example:5000`, or `embedded:<peer id>`. */
  readonly url: string;
  readonly health: OriginHealth;
  /** The digest that a tag means now (HEAD, or GET where the registry omits the digest). */
  resolveTag(repository: string, tag: string, signal?: AbortSignal): Promise<Digest>;
  /** A manifest by digest, verified. */
  manifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<RawManifest>;
  /** Bytes of a blob. */
  blobSize(repository: string, digest: Digest, signal?: AbortSignal): Promise<number>;
  /**
   * Body bytes [start, end) of a blob, unverified. The stream yields exactly `end - start` bytes or throws, also `range-invalid`,
   * `size-mismatch` (the origin has another size than is asked for) and `unsupported` (an encoded body).
   * Bytes count towards `health.bytes` as they arrive.
   */
  readBlob(repository: string, digest: Digest, range: BlobRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Tags in lexical order, all pages followed. */
  tags(repository: string, signal?: AbortSignal): Promise<string[]>;
  /** The referrers index as the origin gives it; undefined where it does not support the referrers API. */
  referrers(repository: string, subject: Digest, artifactType?: string, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** A light request that brings `health` up to date; never throws. */
  probe(signal?: AbortSignal): Promise<OriginHealth>;
  close(): Promise<void>;
}

/** A part of a blob. */
export interface BlobRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Bytes of the whole blob, where they are known. */
  readonly size?: number;
  /** Whole, by a plain GET: what a registry gives by ranges has turned out wrong. */
  readonly plain?: boolean;
}

export interface OriginHealth {
  readonly state: 'unknown' | 'ok' | 'unreachable' | 'unauthorized';
  /** One line for a person, when it is not ok. */
  readonly reason?: string;
  /** Blob body bytes read since start. */
  readonly bytes: number;
  /** Whether it serves ranges of blobs; undefined until one was asked for. Without ranges parts are taken in turns from whole bodies, and one that lies before the last costs all bytes before it. */
  readonly ranges?: boolean;
  /** When it last did what it was asked, in ms since the epoch; undefined before the first time. */
  readonly reachedAt?: number;
  /** How often it gave each status (`200`), and how often none (`timeout`, `unreachable`). */
  readonly answers?: ReadonlyMap<string, number>;
  /** How far this host's clock is ahead of the origin's, in ms, to a second or two. */
  readonly clockAheadMs?: number;
}
