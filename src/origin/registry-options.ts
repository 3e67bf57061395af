import type { ByteRate } from './budget.ts';
import type { Clock } from './clock.ts';
import type { CredentialsProvider } from './credentials.ts';
import type { RetryPolicy } from './retry.ts';
import type { Dispatchers, TlsOptions } from './tls.ts';

/** Where a registry is, and how it is to be treated. */
export interface RegistryOptions extends TlsOptions {
  /** `https://registry.example:5000`; `http://…` talks without TLS. */
  readonly url: string;
  /** docker's and podman's credential files when absent. */
  readonly credentials?: CredentialsProvider | undefined;
  /** Logins of other registries that this one redirects to; those of the same files when absent. */
  readonly credentialsFor?: ((registry: URL) => CredentialsProvider) | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Blob bodies read at a time. */
  readonly maxConnections?: number | undefined;
  /** Of blob bodies; 0 or absent: no limit. */
  readonly bytesPerSecond?: number | undefined;
  /** A limit that others share; beside `bytesPerSecond`. */
  readonly sharedRate?: Pick<ByteRate, 'take'> | undefined;
  /** Whether requests fail at once for a while after several outages in a row; true unless given. */
  readonly failFast?: boolean | undefined;
  /** By this host's configuration, rather than by members; true unless given. */
  readonly isNamed?: boolean | undefined;
  /** Connections to use instead of own ones; whoever made them closes them. */
  readonly dispatchers?: Dispatchers | undefined;
  /** Hosts on loopback or link-local addresses that it may redirect to, or have its token service on. Where it is on loopback itself, so may they be. */
  readonly redirects?: readonly string[] | undefined;
  readonly clock?: Clock | undefined;
}

/** Milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  /** From a request to the first byte of its answer. */
  readonly headersMs: number;
  /** Without a byte of a body. */
  readonly stallMs: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 5_000, headersMs: 10_000, stallMs: 15_000 };
