import { Semaphore } from '../async/semaphore.ts';
import { unlessAborted } from '../async/abort.ts';
import { errorCode, LayerswarmError } from '../errors.ts';
import { type Access, Authenticator } from './auth.ts';
import type { BlobHttp } from './blob-reader.ts';
import { ByteRate, newRate, type RateState } from './budget.ts';
import { type Clock, systemClock } from './clock.ts';
import { dockerConfigCredentials } from './docker-config.ts';
import { admittedBy, checkHost, type Admits } from './guarded-lookup.ts';
import { Health } from './health.ts';
import { abortedError, AttemptFailed, type Failure, statusFailure, transportFailure } from './origin-error.ts';
import { OtherRegistries, repositoryAt } from './other-registries.ts';
import { isRedirect, LocationCache, MAX_REDIRECTS, redirectTarget } from './redirect.ts';
import { DEFAULT_TIMEOUTS, type RegistryOptions, type Timeouts } from './registry-options.ts';
import { RegistryPlace } from './registry-place.ts';
import { isRead, type RegistryRequest, withControlTimeout } from './registry-request.ts';
import { parseRegistryUrl } from './registry-url.ts';
import { DEFAULT_RETRY, parseRetryAfter, type RetryPolicy, withRetry } from './retry.ts';
import { type ConnectionOptions, makeDispatchers, type Dispatchers } from './tls.ts';
import { type Answer, exchange, type Transport } from './transport.ts';

const DEFAULT_CONNECTIONS = 16;
/** Small requests have connections of their own, so that a tag is not waited for behind blobs. */
const CONTROL_CONNECTIONS = 16;
const MAX_ERROR_BODY = 8 * 1024;
/** Registries that say these of a token that ran out, where a 401 is due. */
const TOKEN_REFUSED: ReadonlySet<number> = new Set([400, 403]);
/** Storage says these of a signed URL that ran out. */
const LOCATION_EXPIRED: ReadonlySet<number> = new Set([400, 401, 403, 404, 410]);

/** Requests to one registry, with everything that goes around them: budget, health, retries, authentication, redirects. */
export class RegistryHttp implements BlobHttp {
  /** Scheme, host and port. */
  readonly url: URL;
  readonly place: RegistryPlace;
  readonly clock: Clock;
  readonly health: Health;
  /** What it takes to open more connections like those of this client. */
  readonly connections: ConnectionOptions;
  /** Of blob bodies, where it has a limit of its own. */
  readonly rate: RateState | undefined;
  /** What blob bodies have to wait for. */
  readonly rates: readonly Pick<ByteRate, 'take'>[];
  readonly #timeouts: Timeouts;
  readonly #retry: RetryPolicy;
  readonly #auth: Authenticator;
  readonly #dispatchers: Dispatchers;
  readonly #transport: Transport;
  readonly #ownsDispatchers: boolean;
  readonly #admits: Admits;
  readonly #control = new Semaphore(CONTROL_CONNECTIONS);
  readonly #bulk: Semaphore;
  readonly #locations: LocationCache;
  #ranges: boolean | undefined;
  readonly #others: OtherRegistries;

  /** @throws LayerswarmError `config-invalid` */
  constructor(options: RegistryOptions) {
    const { clock = systemClock, dispatchers } = options;
    this.place = new RegistryPlace(parseRegistryUrl(options.url));
    this.url = this.place.server;
    this.clock = clock;
    this.health = new Health(this.url.host, clock, options.failFast === false ? Number.POSITIVE_INFINITY : undefined);
    this.rate = (options.bytesPerSecond ?? 0) > 0 ? newRate(options.bytesPerSecond!) : undefined;
    this.rates = [this.rate === undefined ? undefined : new ByteRate(this.rate, clock), options.sharedRate].filter(
      (rate) => rate !== undefined,
    );
    this.#timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    const { caFile, caText, clientCert, isNamed = true, redirects = [] } = options;
    this.#admits = admittedBy(this.url, true, redirects);
    this.connections = { url: this.url.href, isNamed, redirects, connectMs: this.#timeouts.connectMs, caFile, caText, clientCert };
    this.#dispatchers = dispatchers ?? makeDispatchers(this.connections);
    this.#transport = async (way, request) => await exchange(this.#dispatchers[way], request);
    this.#ownsDispatchers = dispatchers === undefined;
    this.#auth = new Authenticator({
      registry: this.url,
      dispatchers: this.#dispatchers,
      admits: this.#admits,
      credentials: options.credentials ?? dockerConfigCredentials({ registry: this.url, clock }),
      health: this.health,
      clock,
    });
    this.#others = new OtherRegistries({
      dispatcher: this.#dispatchers.storage,
      admits: this.#admits,
      credentialsFor: options.credentialsFor ?? ((registry) => dockerConfigCredentials({ registry, clock })),
      clock,
    });
    this.#bulk = new Semaphore(options.maxConnections ?? DEFAULT_CONNECTIONS);
    this.#locations = new LocationCache(clock);
  }

  /** @throws LayerswarmError as `Origin` says */
  async send(request: RegistryRequest): Promise<Answer> {
    return request.probe === true
      ? this.retrying(request.what, request.signal, () => this.attempt(request), 1)
      : this.retrying(request.what, request.signal, () => this.attempt(request));
  }

  /** Repeats `run`, whose requests go out by `attempt`, for as long as its failures are transient. @throws LayerswarmError */
  async retrying<T>(what: string, signal: AbortSignal | undefined, run: () => Promise<T>, attempts = this.#retry.attempts): Promise<T> {
    try {
      return await withRetry({ ...this.#retry, attempts }, this.clock, signal, run);
    } catch (error) {
      throw this.failure(what, error, signal).error;
    }
  }

  /** One try. @throws AttemptFailed, for `retrying` */
  async attempt(request: RegistryRequest): Promise<Answer> {
    const release = await (request.bulk === true ? this.#bulk : this.#control).acquire(request.signal);
    let reading = false;
    try {
      const answer = await this.#reported(request);
      answer.onClose(release);
      reading = true;
      return answer;
    } finally {
      if (!reading) release();
    }
  }

  /** What a failure while the body of an answer was read means. */
  failure(what: string, error: unknown, signal: AbortSignal | undefined): Failure {
    return transportFailure(what, this.url.host, error, signal);
  }

  get host(): string {
    return this.url.host;
  }

  /** Whether the registry heeds Range; undefined until a range was asked for. */
  get ranges(): boolean | undefined {
    return this.#ranges;
  }

  tellRanges(heeded: boolean): void {
    this.#ranges = heeded;
  }

  countBytes(bytes: number): void {
    this.health.countBytes(bytes);
  }

  async close(): Promise<void> {
    if (!this.#ownsDispatchers) return;
    await Promise.all([...new Set([this.#dispatchers.registry, this.#dispatchers.storage])].map((dispatcher) => dispatcher.destroy()));
  }

  /** One attempt, reported to the health. @throws AttemptFailed */
  async #reported(request: RegistryRequest): Promise<Answer> {
    const passage = this.health.enter(request.probe);
    let answer: Answer;
    try {
      answer = await this.#authenticated(request);
    } catch (error) {
      const failure = this.failure(request.what, error, request.signal);
      if (failure.outage) {
        const isSilent = failure.error.code === 'timeout';
        this.health.countAnswer(isSilent ? 'timeout' : 'unreachable');
        passage.outage(failure.error.message, isSilent ? 'answer' : 'connection');
      } else if (failure.error.code === 'origin-unauthorized') passage.succeeded();
      else passage.inconclusive();
      throw new AttemptFailed(failure);
    }
    if (request.accept.includes(answer.status)) {
      passage.succeeded();
      return answer;
    }
    const retryAfter = parseRetryAfter(answer.header('retry-after'), this.clock.date());
    const failure = statusFailure(request.what, answer.url.host, answer.status, await answer.excerpt(MAX_ERROR_BODY), retryAfter);
    // a storage that is out of order is not the registry's own state
    if (failure.outage && this.#isRegistry(answer.url)) passage.outage(failure.error.message, 'answer');
    else if (answer.status >= 500) passage.failed(failure.error.message);
    else passage.succeeded();
    throw new AttemptFailed(failure);
  }

  async #authenticated(request: RegistryRequest): Promise<Answer> {
    const { signal, what } = request;
    const access = this.#placed(request.access);
    let sent = await unlessAborted(this.#auth.authorization(access), signal, (aborted) => abortedError(what, aborted));
    let answer = await this.#follow(request, sent);
    if (answer.status === 401 && this.#isRegistry(answer.url)) {
      answer.discard();
      sent = await unlessAborted(this.#auth.answer(answer.headers['www-authenticate'], access, sent), signal, (aborted) =>
        abortedError(what, aborted),
      );
      answer = await this.#follow(request, sent);
      if (answer.status === 401 && this.#isRegistry(answer.url)) {
        answer.discard();
        throw this.#auth.stillRefused(what);
      }
    } else if (TOKEN_REFUSED.has(answer.status) && isRead(request) && this.#isRegistry(answer.url)) {
      const renewed = await unlessAborted(this.#auth.renewed(access, sent), signal, (aborted) => abortedError(what, aborted));
      if (renewed !== undefined) {
        answer.discard();
        sent = renewed;
        answer = await this.#follow(request, sent);
      }
    }
    if (this.#isRegistry(answer.url)) this.#auth.accepted(sent);
    return answer;
  }

  async #follow(request: RegistryRequest, authorization: string | undefined): Promise<Answer> {
    const { locationKey } = request;
    const start = typeof request.target === 'string' ? this.place.target(request.target) : request.target;
    let url = (locationKey === undefined ? undefined : this.#locations.get(locationKey)) ?? start;
    let askedAgain = false;
    for (let redirects = 0; ;) {
      const answer = this.#isRegistry(url) ? await this.#hop(request, url, authorization) : await this.#hopElsewhere(request, url);
      if (!this.#isRegistry(url) && url !== start && !askedAgain && LOCATION_EXPIRED.has(answer.status)) {
        answer.discard();
        if (locationKey !== undefined) this.#locations.delete(locationKey);
        askedAgain = true;
        redirects = 0;
        url = start;
        continue;
      }
      if (!isRedirect(answer.status) || !isRead(request)) return answer;
      answer.discard();
      redirects += 1;
      if (redirects > MAX_REDIRECTS)
        throw new LayerswarmError('origin-denied', `${this.url.host} redirects ${request.what} more than ${MAX_REDIRECTS} times`);
      url = redirectTarget(url, answer.header('location'));
      if (locationKey !== undefined && !this.#isRegistry(url)) this.#locations.set(locationKey, url);
    }
  }

  /** Where the registry redirects to, which may be another registry with a login of its own. */
  async #hopElsewhere(request: RegistryRequest, url: URL): Promise<Answer> {
    const { what, signal } = request;
    const sent = await unlessAborted(this.#others.authorization(url), signal, (aborted) => abortedError(what, aborted));
    const answer = await this.#hop(request, url, sent);
    const challenge = answer.headers['www-authenticate'];
    if (answer.status !== 401 || challenge === undefined || !isRead(request)) return answer;
    let header: string;
    try {
      header = await unlessAborted(this.#others.answer(challenge, url, sent), signal, (aborted) => abortedError(what, aborted));
    } catch (error) {
      // a storage asks for no login that anybody has: a new location is what helps there
      if (repositoryAt(url) === undefined && errorCode(error) === 'origin-unauthorized') return answer;
      answer.discard();
      throw error;
    }
    answer.discard();
    return this.#hop(request, url, header);
  }

  /** `authorization` is for the scheme, host and port of `url`, and nothing else. */
  async #hop(request: RegistryRequest, url: URL, authorization: string | undefined): Promise<Answer> {
    const atRegistry = this.#isRegistry(url);
    if (!atRegistry) checkHost(url.hostname, this.#admits);
    try {
      const answer = await (request.transport ?? this.#transport)(atRegistry ? 'registry' : 'storage', {
        method: request.method,
        url,
        headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization }) },
        body: request.body,
        signal: withControlTimeout(request),
        headersTimeout: request.headersTimeout ?? this.#timeouts.headersMs,
        stallTimeout: this.#timeouts.stallMs,
      });
      this.health.countAnswer(String(answer.status));
      return answer;
    } catch (error) {
      if (atRegistry) throw error;
      if (request.locationKey !== undefined) this.#locations.delete(request.locationKey);
      throw new AttemptFailed({ ...transportFailure(request.what, url.host, error, request.signal), outage: false });
    }
  }

  /** The same rights under the names that the repositories have there. */
  #placed({ scopes, repository }: Access): Access {
    return {
      scopes: scopes.map((scope) => scope.replace(/^repository:/, `repository:${this.place.prefix}`)),
      repository: repository === undefined ? undefined : this.place.repository(repository),
    };
  }

  #isRegistry(url: URL): boolean {
    return url.origin === this.url.origin;
  }
}
