/** Bulk threads that a node may have. */
export const MAX_THREADS = 4;

/**
 * What lanes to one bulk thread of a member are filed under: its peer id for the first thread, with `/N` behind it for another. Its digest
 * says in which thread a node has a blob.
 */
export type Route = string;

export function routeTo(peerId: string, thread: number): Route {
  return thread === 0 ? peerId : `${peerId}/${thread}`;
}

export function parseRoute(route: Route): { readonly peerId: string; readonly thread: number } {
  const slash = route.indexOf('/');
  return slash === -1 ? { peerId: route, thread: 0 } : { peerId: route.slice(0, slash), thread: Number(route.slice(slash + 1)) };
}

/** All that a member may have. */
export function routesTo(peerId: string): Route[] {
  return Array.from({ length: MAX_THREADS }, (_, thread) => routeTo(peerId, thread));
}

/** The thread of a node with so many that has the blob, as `sha256:…`. */
export function threadOf(blob: string, threads: number): number {
  return threads === 1 ? 0 : Number.parseInt(blob.slice(blob.indexOf(':') + 1, blob.indexOf(':') + 9), 16) % threads;
}
