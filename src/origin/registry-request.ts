import type { Access } from './auth.ts';
import type { Body, Transport } from './transport.ts';

/** Milliseconds that a small request may take with its body, also where bytes keep trickling in. */
const CONTROL_TIMEOUT = 60_000;

/** One request to a registry, in its own terms. */
export interface RegistryRequest {
  /** In words, for messages: "the tag list of team/app". */
  readonly what: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query, as of a registry at the root of its host; or a URL that the registry gave. */
  readonly target: string | URL;
  readonly access: Access;
  /** Statuses that the caller reads; any other is thrown. */
  readonly accept: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  readonly signal?: AbortSignal | undefined;
  readonly headersTimeout?: number;
  /** Counts against `maxConnections` until its body is closed. */
  readonly bulk?: boolean;
  /** Remembers where this is redirected to, under this key. */
  readonly locationKey?: string;
  /** Goes out although the registry is known to be down, and is not repeated. */
  readonly probe?: boolean;
  /** Sends it over other connections than the client's own. */
  readonly transport?: Transport;
}

/** Safe to repeat and to redirect. */
export function isRead({ method }: RegistryRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** The signal of a request, which a small one ends by itself after a while. */
export function withControlTimeout({ bulk, headersTimeout, signal }: RegistryRequest): AbortSignal | undefined {
  if (bulk === true || headersTimeout !== undefined) return signal;
  const timeout = AbortSignal.timeout(CONTROL_TIMEOUT);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

/** To read from a repository. */
export function pullAccess(repository: string): Access {
  return { scopes: [`repository:${repository}:pull`], repository };
}
