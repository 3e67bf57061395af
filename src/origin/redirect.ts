import { BoundedMap } from '../bounded-map.ts';
import { LayerswarmError } from '../errors.ts';
import { quote } from '../oci/name.ts';
import type { Clock } from './clock.ts';

export const MAX_REDIRECTS = 5;
const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUS.has(status);
}

/** Where an answer of `from` leads. @throws LayerswarmError `origin-denied` for what is not followed: no URL, or less protection than before */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined ? null : URL.parse(location, from.href);
  if (target === null || (target.protocol !== 'https:' && target.protocol !== 'http:')) {
    throw new LayerswarmError('origin-denied', `${from.host} redirects to ${quote(location ?? 'nowhere')}, which is no HTTP address`);
  }
  if (from.protocol === 'https:' && target.protocol === 'http:') {
    throw new LayerswarmError(
      'origin-denied',
      `${from.host} redirects to ${target.host} without TLS, which is refused; behind a proxy it may need X-Forwarded-Proto`,
    );
  }
  target.hash = '';
  return target;
}

/** Milliseconds: well within the life of a signed URL. */
const LOCATION_TTL = 60_000;
const MAX_LOCATIONS = 1_000;

/** Where the registry last redirected reads of a blob to, so that reading its parts does not ask the registry for each. */
export class LocationCache {
  readonly #clock: Clock;
  readonly #locations = new BoundedMap<string, { readonly url: URL; readonly until: number }>(MAX_LOCATIONS);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string): URL | undefined {
    const known = this.#locations.get(key);
    return known !== undefined && this.#clock.now() < known.until ? known.url : undefined;
  }

  set(key: string, url: URL): void {
    this.#locations.set(key, { url, until: this.#clock.now() + LOCATION_TTL });
  }

  delete(key: string): void {
    this.#locations.delete(key);
  }
}
