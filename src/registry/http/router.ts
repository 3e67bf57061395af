import type { OciErrorCode } from '../../oci/error-code.ts';
import type { RegistryRequest, RegistryResponse } from './message.ts';

export interface Route {
  /** For logs and counters: one of a small, fixed set. */
  readonly name: string;
  /** `GET` answers `HEAD` too; `*` is every method. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | '*';
  /** Matched against the decoded path; its named groups are the parameters. */
  readonly path: RegExp;
  /** What `not-found` means here. */
  readonly unknown: OciErrorCode;
  /** Milliseconds until the headers must be on their way; none for what waits on the client's own upload. */
  readonly deadlineMs?: number;
  readonly handle: (request: RegistryRequest, parameters: Parameters) => Promise<RegistryResponse> | RegistryResponse;
}

/** Undecoded beyond percent-encoding: each handler parses its own. */
export type Parameters = Readonly<Record<string, string>>;

export type Match =
  | { readonly kind: 'route'; readonly route: Route; readonly parameters: Parameters }
  | { readonly kind: 'wrong-method'; readonly allow: readonly string[] }
  | { readonly kind: 'unknown-path' };

/** The first route of `routes` whose path and method fit. */
export function matchRoute(routes: readonly Route[], method: string, path: string): Match {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const allow = new Set<string>();
  for (const route of routes) {
    const found = route.path.exec(path);
    if (found === null) continue;
    if (route.method === '*' || route.method === wanted) return { kind: 'route', route, parameters: { ...found.groups } };
    allow.add(route.method);
    if (route.method === 'GET') allow.add('HEAD');
  }
  return allow.size === 0 ? { kind: 'unknown-path' } : { kind: 'wrong-method', allow: [...allow] };
}

/** Paths of the distribution specification 1.1, "Endpoints". A name may itself hold `/manifests/`: the last one counts. */
export const REGISTRY_PATHS = {
  base: /^\/v2\/?$/,
  manifest: /^\/v2\/(?<name>.+)\/manifests\/(?<reference>[^/]+)$/,
  uploads: /^\/v2\/(?<name>.+)\/blobs\/uploads\/?$/,
  upload: /^\/v2\/(?<name>.+)\/blobs\/uploads\/(?<session>[^/]+)$/,
  blob: /^\/v2\/(?<name>.+)\/blobs\/(?<digest>[^/]+)$/,
  tags: /^\/v2\/(?<name>.+)\/tags\/list$/,
  referrers: /^\/v2\/(?<name>.+)\/referrers\/(?<digest>[^/]+)$/,
} as const;
