import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import { parseOciErrors } from '../oci/error-code.ts';
import type { Clock } from './clock.ts';
import type { Credentials } from './credentials.ts';
import { AttemptFailed } from './origin-error.ts';
import { parseRetryAfter } from './retry.ts';
import { type Answer, exchange } from './transport.ts';

/** Seconds that a token lives when its service does not say: Docker's token specification, "expires_in". */
const DEFAULT_LIFETIME = 60;
const LONGEST_LIFETIME = 24 * 3600;
const MAX_BODY = 256 * 1024;
/** Milliseconds. */
const TOKEN_TIMEOUT = 10_000;
const CLIENT_ID = 'layerswarm';

export interface TokenService {
  readonly realm: URL;
  readonly service: string | undefined;
}

export interface Token {
  readonly value: string;
  readonly lifetimeMs: number;
}

// sent in a header: visible ASCII only
const tokenText = z
  .string()
  .min(1)
  .max(64 * 1024)
  .regex(/^[\x21-\x7e]+$/);
const answerSchema = z.object({
  token: tokenText.optional().catch(undefined),
  access_token: tokenText.optional().catch(undefined),
  expires_in: z.number().optional().catch(undefined),
});

/**
 * Gets a token as in Docker's "Token Authentication Specification" (GET, anonymous or Basic) and "OAuth2 Token Authentication"
 * (POST, with a refresh token).
 * @throws LayerswarmError `origin-unauthorized`; AttemptFailed where it is worth another try
 */
export async function requestToken(
  dispatcher: Dispatcher,
  { realm, service }: TokenService,
  scopes: readonly string[],
  credentials: Credentials,
  clock: Clock,
): Promise<Token> {
  const options = { headersTimeout: TOKEN_TIMEOUT, stallTimeout: TOKEN_TIMEOUT };
  const answer =
    credentials.kind === 'refresh-token'
      ? await exchange(dispatcher, {
          ...options,
          method: 'POST',
          url: realm,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: refreshForm(service, scopes, credentials.token),
        })
      : await exchange(dispatcher, {
          ...options,
          method: 'GET',
          url: tokenUrl(realm, service, scopes, credentials),
          headers: basicHeader(credentials),
        });
  return readToken(answer, realm, clock);
}

/** The value of an Authorization header for a login; empty for an anonymous one. */
export function basicHeader(credentials: Credentials): Record<string, string> {
  return credentials.kind === 'basic'
    ? { authorization: `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}` }
    : {};
}

function tokenUrl(realm: URL, service: string | undefined, scopes: readonly string[], credentials: Credentials): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  url.searchParams.set('client_id', CLIENT_ID);
  if (credentials.kind === 'basic') url.searchParams.set('account', credentials.username);
  return url;
}

function refreshForm(service: string | undefined, scopes: readonly string[], refreshToken: string): Buffer {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    refresh_token: refreshToken,
    service: service ?? '',
  });
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  return Buffer.from(form.toString());
}

async function readToken(answer: Answer, realm: URL, clock: Clock): Promise<Token> {
  const { status } = answer;
  if (status !== 200) {
    const [reported] = parseOciErrors(await answer.excerpt(MAX_BODY));
    const said = reported === undefined ? '' : ` (${reported.code})`;
    if (status === 429 || status >= 500) {
      const code = status === 429 ? 'origin-rate-limited' : 'origin-unreachable';
      const retryAfter = parseRetryAfter(answer.header('retry-after'), clock.date());
      throw new AttemptFailed({
        error: new LayerswarmError(code, `the token service ${realm.host} answered ${status}${said}`),
        transient: true,
        outage: status !== 429,
        retryAfter,
      });
    }
    throw new LayerswarmError('origin-unauthorized', `the token service ${realm.host} refused a token with ${status}${said}`);
  }
  const parsed = answerSchema.safeParse(parseJson(await answer.bytes(MAX_BODY)));
  // both fields are there in some answers, and mean the same
  const value = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined;
  if (!parsed.success || value === undefined)
    throw new LayerswarmError('origin-unauthorized', `the token service ${realm.host} answered without a token`);
  const seconds = parsed.data.expires_in ?? DEFAULT_LIFETIME;
  return { value, lifetimeMs: Math.min(LONGEST_LIFETIME, seconds > 0 ? seconds : DEFAULT_LIFETIME) * 1000 };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // the schema says what was expected
  }
}
