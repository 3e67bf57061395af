import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import { keepIfTaken } from '../../store/store-error.ts';
import type { Testimony } from '../../swarm/tag-memory.ts';
import type { Repository } from '../namespace.ts';
import { isOriginAway, type OriginCalls } from './origin-calls.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { abortable, SingleFlight } from './single-flight.ts';

export interface TagResolverOptions {
  readonly images: ImageStore;
  readonly calls: OriginCalls;
  readonly repositories: RepositoryAccess;
  readonly tagMemory: TagWitnesses;
  readonly now: () => number;
  readonly rules: () => TagRules;
  /** Milliseconds that members are given to remember. */
  readonly memoryTimeoutMs: number;
  readonly onStale: () => void;
}

/** All in milliseconds. */
export interface TagRules {
  /** For how long the origin's word on a tag holds. */
  readonly ttl: number;
  /** Age of the oldest mapping that is served while the origin is away. */
  readonly staleFor: number;
}

export type ResolvedTag =
  | { readonly kind: 'fresh'; readonly digest: Digest }
  /** The origin cannot be asked; to this node, or to `witnesses` (peer ids), it said so at `checkedAt` (ms since the epoch). */
  | {
      readonly kind: 'stale';
      readonly digest: Digest;
      readonly checkedAt: number;
      readonly witnesses: readonly string[] | undefined;
      readonly reason: string;
    };

/** What connected members remember of a tag, from the origin; undefined while there is nobody to ask about. */
export type TagWitnesses = (repository: string, tag: string, signal: AbortSignal) => Promise<Testimony | undefined>;

/** Tag to digest. While the origin answers it alone decides; while it is away, what it said to this node, else what members agree on. */
export class TagResolver {
  readonly #options: TagResolverOptions;
  readonly #flights = new SingleFlight<ResolvedTag>();

  constructor(options: TagResolverOptions) {
    this.#options = options;
  }

  /** @throws LayerswarmError `not-found`, `origin-unauthorized`, `origin-denied`; why the origin is away when nobody remembers the tag */
  async resolve(repository: Repository, tag: string, signal: AbortSignal): Promise<ResolvedTag> {
    const { images, now, rules, onStale } = this.#options;
    const own = images.tag(repository.full, tag);
    if (own !== undefined && Math.abs(now() - own.checkedAt) < rules().ttl) return { kind: 'fresh', digest: own.digest };
    const resolved = await this.#flights.run(`${repository.full}:${tag}`, () => this.#ask(repository, tag), signal);
    if (resolved.kind === 'stale') onStale();
    return resolved;
  }

  async #ask(repository: Repository, tag: string): Promise<ResolvedTag> {
    const { images, calls, repositories, now } = this.#options;
    try {
      const digest = await repositories.watch(repository, () =>
        calls.ask((origin, signal) => origin.resolveTag(repository.name, tag, signal)),
      );
      await keepIfTaken(() => images.setTag(repository.full, tag, digest, now()));
      return { kind: 'fresh', digest };
    } catch (error) {
      if (errorCode(error) === 'not-found')
        await keepIfTaken(() => {
          images.deleteTag(repository.full, tag);
        });
      if (!isOriginAway(error)) throw error;
      return this.#remember(repository, tag, error as LayerswarmError);
    }
  }

  async #remember(repository: Repository, tag: string, away: LayerswarmError): Promise<ResolvedTag> {
    const { images, now, rules } = this.#options;
    const maxStaleMs = rules().staleFor;
    const own = images.tag(repository.full, tag);
    if (own !== undefined && now() - own.checkedAt <= maxStaleMs) {
      return { kind: 'stale', digest: own.digest, checkedAt: own.checkedAt, witnesses: undefined, reason: away.message };
    }
    const { agreed, heard = 0, wanted = 1 } = (await this.#askMembers(repository, tag)) ?? {};
    const newest = Math.max(own?.checkedAt ?? -Infinity, agreed?.checkedAt ?? -Infinity);
    if (agreed !== undefined && now() - agreed.checkedAt <= maxStaleMs) return { kind: 'stale', ...agreed, reason: away.message };
    if (newest !== -Infinity) {
      throw unavailable(
        away,
        `what it said about this tag is ${Math.round((now() - newest) / 3_600_000)} h old, which is more than is served`,
      );
    }
    if (heard > 0)
      throw unavailable(away, `of ${heard} members that remember this tag too few agree, on ${wanted} different hosts (tags.witnesses)`);
    throw away;
  }

  async #askMembers(repository: Repository, tag: string): Promise<Testimony | undefined> {
    const { tagMemory, memoryTimeoutMs } = this.#options;
    const signal = AbortSignal.timeout(memoryTimeoutMs);
    try {
      return await abortable(tagMemory(repository.name, tag, signal), signal);
    } catch {
      return undefined; // silence of the members is no memory; the origin's own failure is what the client is told
    }
  }
}

function unavailable(away: LayerswarmError, why: string): LayerswarmError {
  return new LayerswarmError('unavailable', `${away.message}; ${why}`, { cause: away });
}
