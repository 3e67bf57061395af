import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ImageStore, TagRecord } from '../../store/image-store.ts';
import { keepIfTaken } from '../../store/store-error.ts';
import type { Repository } from '../namespace.ts';
import { isOriginAway, type OriginCalls } from './origin-calls.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { abortable, SingleFlight } from './single-flight.ts';

export interface TagResolverOptions {
  readonly images: ImageStore;
  readonly calls: OriginCalls;
  readonly repositories: RepositoryAccess;
  /** The newest mapping of a tag that connected members have from the origin. */
  readonly tagMemory: (repository: string, tag: string, signal: AbortSignal) => Promise<TagRecord | undefined>;
  readonly now: () => number;
  /** Milliseconds for which the origin's word on a tag holds. */
  readonly ttlMs: number;
  /** Oldest mapping, in milliseconds, that is served while the origin is away. */
  readonly maxStaleMs: number;
  /** Milliseconds that members are given to remember. */
  readonly memoryTimeoutMs: number;
  readonly onStale: () => void;
}

export type ResolvedTag =
  | { readonly kind: 'fresh'; readonly digest: Digest }
  /** The origin cannot be asked; it said so at `checkedAt` (ms since the epoch). */
  | { readonly kind: 'stale'; readonly digest: Digest; readonly checkedAt: number; readonly reason: string };

/** Tag to digest. While the origin answers it alone decides; while it is away, what it said last. */
export class TagResolver {
  readonly #options: TagResolverOptions;
  readonly #flights = new SingleFlight<ResolvedTag>();

  constructor(options: TagResolverOptions) {
    this.#options = options;
  }

  /** @throws LayerswarmError `not-found`, `origin-unauthorized`, `origin-denied`; why the origin is away when nobody remembers the tag */
  async resolve(repository: Repository, tag: string, signal: AbortSignal): Promise<ResolvedTag> {
    const { images, now, ttlMs, onStale } = this.#options;
    const own = images.tag(repository.full, tag);
    if (own !== undefined && Math.abs(now() - own.checkedAt) < ttlMs) return { kind: 'fresh', digest: own.digest };
    const resolved = await this.#flights.run(`${repository.full}:${tag}`, () => this.#ask(repository, tag), signal);
    if (resolved.kind === 'stale') onStale();
    return resolved;
  }

  async #ask(repository: Repository, tag: string): Promise<ResolvedTag> {
    const { images, calls, repositories, now } = this.#options;
    try {
      const digest = await repositories.watch(repository, () => calls.ask((origin, signal) => origin.resolveTag(repository.name, tag, signal)));
      await keepIfTaken(() => images.setTag(repository.full, tag, digest, now()));
      return { kind: 'fresh', digest };
    } catch (error) {
      if (errorCode(error) === 'not-found') images.deleteTag(repository.full, tag);
      if (!isOriginAway(error)) throw error;
      return this.#remember(repository, tag, error as LayerswarmError);
    }
  }

  async #remember(repository: Repository, tag: string, away: LayerswarmError): Promise<ResolvedTag> {
    const { images, now, maxStaleMs } = this.#options;
    const record = newest(images.tag(repository.full, tag), await this.#askMembers(repository, tag));
    if (record === undefined) throw away;
    const age = now() - record.checkedAt;
    if (age > maxStaleMs) {
      throw new LayerswarmError('unavailable', `${away.message}; what it said about this tag is ${Math.round(age / 3_600_000)} h old, which is more than is served`, { cause: away });
    }
    return { kind: 'stale', digest: record.digest, checkedAt: record.checkedAt, reason: away.message };
  }

  async #askMembers(repository: Repository, tag: string): Promise<TagRecord | undefined> {
    const { tagMemory, now, memoryTimeoutMs } = this.#options;
    const signal = AbortSignal.timeout(memoryTimeoutMs);
    try {
      const record = await abortable(tagMemory(repository.name, tag, signal), signal);
      // a clock that runs ahead must not make a mapping the newest for ever
      return record === undefined ? undefined : { digest: record.digest, checkedAt: Math.min(record.checkedAt, now()) };
    } catch {
      return undefined; // silence of the members is no memory; the origin's own failure is what the client is told
    }
  }
}

function newest(a: TagRecord | undefined, b: TagRecord | undefined): TagRecord | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.checkedAt > a.checkedAt ? b : a;
}
