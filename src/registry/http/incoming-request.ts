import type { IncomingMessage } from 'node:http';
import { isHostAllowed } from '../../http/host-check.ts';
import { OciError } from '../http-error.ts';
import type { RegistryRequest } from './message.ts';
import { matchRoute, type Parameters, type Route } from './router.ts';

const MAX_TARGET_LENGTH = 8 * 1024;

/** A web page whose name was made to mean loopback must not read what this node may read. @throws OciError */
export function refuseOtherHosts(
  { headers }: IncomingMessage,
  { listen, hostNames }: { readonly listen: { readonly host: string }; readonly hostNames?: readonly string[] },
): void {
  if (isHostAllowed(headers.host, listen.host, hostNames)) return;
  throw new OciError(
    421,
    'DENIED',
    `this endpoint answers for its own address only; add the name to hostNames to have it answer for another`,
  );
}

/** No registry client sends Origin; a web page that the operator happens to look at does, when it writes to loopback. @throws OciError */
export function refuseBrowserWrites(request: IncomingMessage): void {
  if (request.headers.origin === undefined || request.method === 'GET' || request.method === 'HEAD') return;
  throw new OciError(403, 'DENIED', 'web pages may not write to this registry');
}

/** The route of a request, and what it has to know of the target. @throws OciError */
export function routeOf(
  request: IncomingMessage,
  routes: readonly Route[],
): { route: Route; parameters: Parameters; query: URLSearchParams } {
  const target = request.url ?? '/';
  if (target.length > MAX_TARGET_LENGTH) throw new OciError(414, 'UNSUPPORTED', 'the request target is too long');
  const questionMark = target.indexOf('?');
  const path = decodePath(questionMark === -1 ? target : target.slice(0, questionMark));
  const found = matchRoute(routes, request.method ?? '', path);
  if (found.kind === 'unknown-path')
    throw new OciError(404, 'NAME_UNKNOWN', 'there is nothing at this path; an OCI registry is served under /v2/');
  if (found.kind === 'wrong-method') {
    const allow = found.allow.join(', ');
    throw new OciError(405, 'UNSUPPORTED', `this endpoint does not take ${request.method ?? 'that method'} here; it allows ${allow}`, {
      headers: { Allow: allow },
    });
  }
  return {
    route: found.route,
    parameters: found.parameters,
    query: new URLSearchParams(questionMark === -1 ? '' : target.slice(questionMark + 1)),
  };
}

/** As handlers have it, but for what ends it. */
export function messageOf(request: IncomingMessage, query: URLSearchParams): Omit<RegistryRequest, 'signal'> {
  return { method: request.method ?? '', target: request.url ?? '/', query, headers: request.headers, body: request };
}

/** Without the query, which may hold upload state. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0]!.slice(0, 300);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new OciError(400, 'NAME_INVALID', 'the path is not valid percent-encoding', { cause: error });
  }
}
