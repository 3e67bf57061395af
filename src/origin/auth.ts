import { BoundedMap } from '../bounded-map.ts';
import { LayerswarmError } from '../errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Clock } from './clock.ts';
import type { Credentials, CredentialsProvider } from './credentials.ts';
import type { Health } from './health.ts';
import { checkHost, type Admits } from './guarded-lookup.ts';
import { AttemptFailed, transportFailure } from './origin-error.ts';
import type { Dispatchers } from './tls.ts';
import { basicHeader, requestToken, type Token, type TokenService } from './token.ts';

/** Part of a token's life after which it is renewed: a request that begins now should not find it expired. */
const USABLE_LIFE = 0.8;
/** Milliseconds for which a token is new: what it does not open then, another would not either. */
const NEW_FOR = 5_000;
const MAX_TOKENS = 1_000;
const MAX_SCOPES = 8;

/** What a request needs to be allowed to do. */
export interface Access {
  /** Scopes of Docker's token specification, e.g. `repository:team/app:pull`; empty for the version check. */
  readonly scopes: readonly string[];
  readonly repository?: string | undefined;
}

type Scheme = { readonly kind: 'none' } | { readonly kind: 'basic' } | { readonly kind: 'bearer'; readonly service: TokenService };

interface HeldToken {
  readonly token: Promise<Token>;
  /** Monotonic ms. */
  readonly since: number;
  /** Monotonic ms; infinite while it is on its way. */
  renewAt: number;
  value: string | undefined;
}

/**
 * Answers a registry's challenges. Remembers the scheme, so that later requests carry their Authorization from the start, and one
 * token a set of scopes, fetched once for all who wait for it. The values it gives are for the registry's own host alone; callers
 * see to that.
 */
export class Authenticator {
  readonly #registry: URL;
  readonly #dispatchers: Dispatchers;
  readonly #admits: Admits;
  readonly #credentials: CredentialsProvider;
  readonly #health: Health;
  readonly #clock: Clock;
  readonly #tokens = new BoundedMap<string, HeldToken>(MAX_TOKENS);
  #scheme: Scheme = { kind: 'none' };

  constructor(options: {
    registry: URL;
    dispatchers: Dispatchers;
    admits: Admits;
    credentials: CredentialsProvider;
    health: Health;
    clock: Clock;
  }) {
    this.#registry = options.registry;
    this.#dispatchers = options.dispatchers;
    this.#admits = options.admits;
    this.#credentials = options.credentials;
    this.#health = options.health;
    this.#clock = options.clock;
  }

  /** The Authorization header to begin with; undefined before the first challenge. */
  async authorization(access: Access): Promise<string | undefined> {
    const scheme = this.#scheme;
    if (scheme.kind === 'none') return undefined;
    return scheme.kind === 'basic'
      ? basicHeader(await this.#login(access, false))['authorization']
      : this.#bearer(scheme.service, access, access.scopes);
  }

  /**
   * The Authorization header that answers a 401.
   * @param sent the header that was refused, if there was one
   * @throws LayerswarmError `origin-unauthorized` when there is no other answer than the one refused
   */
  async answer(header: string | readonly string[] | undefined, access: Access, sent: string | undefined): Promise<string> {
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#answerBearer(bearer, access, sent);
    if (challenges.some(({ scheme }) => scheme === 'basic')) return this.#answerBasic(access, sent);
    throw this.#refused(
      `asks for a login by ${challenges.map(({ scheme }) => scheme.slice(0, 20)).join(', ') || 'no method at all'}; Basic and Bearer are supported`,
    );
  }

  /**
   * Another header for a request that was refused otherwise than by a 401, as some registries do with a token that has run out;
   * undefined when the refused one is no token, or new.
   */
  async renewed(access: Access, sent: string | undefined): Promise<string | undefined> {
    const scheme = this.#scheme;
    const held = this.#tokens.get(tokenKey(access));
    const isOld =
      scheme.kind === 'bearer' && held?.value !== undefined && sent === `Bearer ${held.value}` && this.#clock.now() - held.since >= NEW_FOR;
    if (!isOld) return undefined;
    this.#tokens.delete(tokenKey(access));
    return this.#bearer(scheme.service, access, access.scopes);
  }

  /** A request that carried `sent` was not refused. */
  accepted(sent: string | undefined): void {
    if (sent !== undefined) this.#health.authorized();
  }

  /** Error for a 401 that came although the challenge had been answered. */
  stillRefused(what: string): LayerswarmError {
    if (this.#scheme.kind === 'bearer')
      return new LayerswarmError('origin-unauthorized', `${this.#registry.host} does not allow ${what} with ${this.#credentials.source}`);
    return this.#refused(`refuses the login (${this.#credentials.source})`);
  }

  async #answerBasic(access: Access, sent: string | undefined): Promise<string> {
    this.#scheme = { kind: 'basic' };
    const known = basicHeader(await this.#login(access, false))['authorization'];
    // what was refused may have changed since on disk, or in the helper's store
    const header = known === sent ? basicHeader(await this.#login(access, true))['authorization'] : known;
    if (header === undefined) throw this.#refused(`asks for credentials, and there are none for it in ${this.#credentials.source}`);
    if (header === sent) throw this.#refused(`refuses the login (${this.#credentials.source})`);
    return header;
  }

  async #answerBearer(challenge: Challenge, access: Access, sent: string | undefined): Promise<string> {
    const service = this.#tokenService(challenge);
    this.#scheme = { kind: 'bearer', service };
    const asked =
      challenge.parameters
        .get('scope')
        ?.split(' ')
        .filter((scope) => scope !== '') ?? [];
    const scopes = [...new Set([...access.scopes, ...asked])].slice(0, MAX_SCOPES);
    const key = tokenKey(access);
    const held = this.#tokens.get(key);
    if (held?.value !== undefined && sent === `Bearer ${held.value}`) this.#tokens.delete(key);
    return this.#bearer(service, access, scopes);
  }

  async #bearer(service: TokenService, access: Access, scopes: readonly string[]): Promise<string> {
    const key = tokenKey(access);
    const held = this.#tokens.get(key);
    if (held !== undefined && this.#clock.now() < held.renewAt) return `Bearer ${(await held.token).value}`;
    const token = this.#fetchToken(service, access, scopes);
    const entry: HeldToken = { token, since: this.#clock.now(), renewAt: Number.POSITIVE_INFINITY, value: undefined };
    this.#tokens.set(key, entry);
    try {
      const { value, lifetimeMs } = await token;
      entry.value = value;
      entry.renewAt = this.#clock.now() + lifetimeMs * USABLE_LIFE;
      return `Bearer ${value}`;
    } catch (error) {
      if (this.#tokens.get(key) === entry) this.#tokens.delete(key);
      throw error;
    }
  }

  async #fetchToken(service: TokenService, access: Access, scopes: readonly string[]): Promise<Token> {
    const credentials = await this.#login(access, false);
    if (credentials.kind === 'bearer') return { value: credentials.token, lifetimeMs: Number.POSITIVE_INFINITY };
    try {
      return await this.#requestToken(service, scopes, credentials);
    } catch (error) {
      if (!(error instanceof LayerswarmError) || error.code !== 'origin-unauthorized') throw error;
      // some services refuse strangers a token for what does not exist: that says nothing about the registry as a whole
      if (credentials.kind !== 'anonymous' || access.scopes.length === 0)
        this.#health.refused(`${error.message}; check the login (${this.#credentials.source})`);
      // a helper's answer may be out of date
      const fresh = await this.#login(access, true);
      if (sameCredentials(fresh, credentials)) throw error;
      return this.#requestToken(service, scopes, fresh);
    }
  }

  async #requestToken(service: TokenService, scopes: readonly string[], credentials: Credentials): Promise<Token> {
    const isRegistry = service.realm.origin === this.#registry.origin;
    if (!isRegistry) checkHost(service.realm.hostname, this.#admits);
    try {
      // beside the registry itself no host is shown its client certificate
      const dispatcher = isRegistry ? this.#dispatchers.registry : this.#dispatchers.storage;
      return await requestToken(dispatcher, service, scopes, credentials, this.#clock);
    } catch (error) {
      if (error instanceof LayerswarmError) throw error;
      throw new AttemptFailed(transportFailure('a token', `the token service ${service.realm.host}`, error, undefined));
    }
  }

  #login({ repository }: Access, fresh: boolean): Promise<Credentials> {
    return this.#credentials.get({ repository, fresh });
  }

  /** @throws LayerswarmError `origin-unauthorized` */
  #tokenService({ parameters }: Challenge): TokenService {
    const realm = URL.parse(parameters.get('realm') ?? '');
    const usable =
      realm !== null && (realm.protocol === 'https:' || realm.protocol === 'http:') && realm.username === '' && realm.password === '';
    if (!usable) throw this.#refused('names no usable token service in its challenge');
    // a password that would go to the registry over TLS does not go anywhere without
    if (realm.protocol === 'http:' && this.#registry.protocol === 'https:')
      throw this.#refused(`names a token service without TLS (${realm.host})`);
    return { realm, service: parameters.get('service') };
  }

  #refused(why: string): LayerswarmError {
    const message = `${this.#registry.host} ${why}`;
    this.#health.refused(message);
    return new LayerswarmError('origin-unauthorized', message);
  }
}

function tokenKey({ scopes }: Access): string {
  return scopes.toSorted().join(' ');
}

function sameCredentials(a: Credentials, b: Credentials): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
