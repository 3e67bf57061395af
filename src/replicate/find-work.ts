import type { Digest } from '../oci/digest.ts';
import type { Origin } from '../origin/origin.ts';
import { missingAsUndefined } from '../copy/copy-target.ts';
import { literalRepositories, matchesRepository, matchesTag, type Route } from './policy.ts';

/** What this node knows of the origin without asking it. */
export interface KnownContent {
  repositories(): readonly string[];
  tags(repository: string): readonly string[];
  digest(repository: string, tag: string): Digest | undefined;
}

export interface FoundTag {
  readonly route: Route;
  readonly repository: string;
  readonly tag: string;
}

/** An origin that can list its repositories; others have to be named, or seen. */
export type Catalog = Pick<Origin, 'tags'> & { repositories?(signal?: AbortSignal): Promise<string[] | undefined> };

/** Every tag of the origin that routes want, as the origin lists them. @throws what the origin throws */
export async function* findWork(
  routes: readonly Route[],
  origin: Catalog,
  known: KnownContent,
  signal: AbortSignal,
): AsyncGenerator<FoundTag, void, undefined> {
  const listed = routes.some(({ policy }) => policy.repositories.allow.some((pattern) => pattern.includes('*')))
    ? await origin.repositories?.(signal)
    : undefined;
  const repositories = new Set([
    ...(listed ?? []),
    ...known.repositories(),
    ...routes.flatMap(({ policy }) => literalRepositories(policy)),
  ]);
  for (const repository of [...repositories].sort()) {
    const wanting = routes.filter(({ policy }) => matchesRepository(policy, repository));
    if (wanting.length === 0) continue;
    for (const tag of (await missingAsUndefined(origin.tags(repository, signal))) ?? []) {
      for (const route of wanting) if (matchesTag(route.policy, tag)) yield { route, repository, tag };
    }
  }
}

/** What this node has seen of tags, for routes that go by events: what was missed while it did not run. */
export function* missedEvents(
  routes: readonly Route[],
  known: KnownContent,
): Generator<FoundTag & { readonly digest: Digest | undefined }, void, undefined> {
  for (const route of routes.filter(({ policy }) => policy.onEvent)) {
    for (const repository of known.repositories()) {
      if (!matchesRepository(route.policy, repository)) continue;
      for (const tag of known.tags(repository))
        if (matchesTag(route.policy, tag)) yield { route, repository, tag, digest: known.digest(repository, tag) };
    }
  }
}
