import { createSign, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { makeCertificateAuthority } from './certificate.ts';
import type { Cleanup } from './cleanup.ts';
import { REGISTRY_USER } from './docker-registry.ts';
import { serve } from './http-server.ts';

export interface TokenServerOptions {
  /** Said in answers; nothing is said when null, which means 60 (Docker's token specification). */
  readonly expiresIn?: number | null;
  readonly field?: 'token' | 'access_token';
  /** Whom it gives tokens; `anonymous` gives everyone one for pull. Default: the test user alone. */
  readonly allow?: 'user' | 'anonymous';
  /** A refresh token (Docker's identitytoken) that POST accepts. */
  readonly refreshToken?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface TokenRequest {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly authorization: string | undefined;
  readonly grantType: string | undefined;
}

/** A token authority as in Docker's "Token Authentication Specification"; `registryAuth` goes into `startDockerRegistry`. */
export interface TokenServer {
  readonly realm: string;
  readonly requests: readonly TokenRequest[];
  readonly registryAuth: { readonly realm: string; readonly service: string; readonly issuer: string; readonly rootCertificate: string };
}

const SERVICE = 'test-registry';
const ISSUER = 'test-issuer';

/** Needs the tool `openssl`. */
export async function startTokenServer(cleanup: Cleanup, options: TokenServerOptions = {}): Promise<TokenServer> {
  const signer = await makeCertificateAuthority(cleanup);
  const requests: TokenRequest[] = [];

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const body = new URLSearchParams(Buffer.concat((await request.toArray()) as Buffer[]).toString());
    const scopes = request.method === 'POST' ? (body.get('scope')?.split(' ') ?? []) : url.searchParams.getAll('scope');
    requests.push({
      method: request.method ?? '',
      scopes,
      authorization: request.headers.authorization,
      grantType: body.get('grant_type') ?? undefined,
    });
    if (!isAllowed(request, body)) {
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return;
    }
    const token = sign(signer.key, signer.cert, scopes, options.expiresIn ?? 60);
    const expiry = options.expiresIn === null ? {} : { expires_in: options.expiresIn ?? 60 };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ [options.field ?? 'token']: token, ...expiry }));
  }

  function isAllowed(request: IncomingMessage, body: URLSearchParams): boolean {
    if (request.method === 'POST')
      return options.refreshToken !== undefined && body.get('refresh_token') === options.refreshToken && body.get('service') === SERVICE;
    const basic = `Basic ${Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64')}`;
    return request.headers.authorization === basic || (options.allow === 'anonymous' && request.headers.authorization === undefined);
  }

  const server = await serve(
    cleanup,
    (request, response) => {
      answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    },
    options.tls === undefined ? {} : { tls: options.tls },
  );
  const realm = `${server.url}/token`;
  return { realm, requests, registryAuth: { realm, service: SERVICE, issuer: ISSUER, rootCertificate: signer.certFile } };
}

/** A JWT with the certificate in `x5c`, as distribution 2.8 checks it. */
function sign(key: string, cert: string, scopes: readonly string[], seconds: number): string {
  const now = Math.floor(Date.now() / 1000);
  const access = scopes.map((scope) => {
    const [type, ...rest] = scope.split(':');
    return { type, name: rest.slice(0, -1).join(':'), actions: rest.at(-1)?.split(',') };
  });
  const header = { typ: 'JWT', alg: 'ES256', x5c: [cert.replaceAll(/-----[A-Z ]+-----|\s/g, '')] };
  const claims = { iss: ISSUER, sub: 'swarm', aud: SERVICE, exp: now + seconds, nbf: now - 60, iat: now, jti: randomUUID(), access };
  const payload = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = createSign('sha256').update(payload).sign({ key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  return `${payload}.${signature}`;
}
