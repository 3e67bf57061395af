import { globToRegExp } from '../../glob.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ImageStore } from '../../store/images/image-store.ts';

/** A node names its own origin, and must not decide by that what another may keep to itself: each embedded origin is meant. */
const EMBEDDED = /^[^/]+\.embedded\//;
const ANY_EMBEDDED = '*.embedded/';

/** Repositories that the operator keeps out of the swarm: names with or without their registry, `*` for any part. */
export class ExcludedRepositories {
  #patterns: readonly RegExp[] = [];
  readonly #images: Pick<ImageStore, 'repositoriesOf'>;

  constructor(patterns: readonly string[], images: Pick<ImageStore, 'repositoriesOf'>) {
    this.#images = images;
    this.set(patterns);
  }

  /** From now on these are excluded, and no others. */
  set(patterns: readonly string[]): void {
    this.#patterns = patterns.map((pattern) => globToRegExp(pattern.replace(EMBEDDED, ANY_EMBEDDED)));
  }

  /** `full`: with its registry. A pattern means the name with it or without. */
  has(full: string): boolean {
    const name = full.slice(full.indexOf('/') + 1);
    return this.#patterns.some((pattern) => pattern.test(name) || pattern.test(full));
  }

  /** How many of these repositories are excluded. */
  count(repositories: readonly string[]): number {
    return repositories.filter((full) => this.has(full)).length;
  }

  /** Members may have a blob unless all that link it are excluded. */
  mayShare(blob: Digest): boolean {
    if (this.#patterns.length === 0) return true;
    const repositories = this.#images.repositoriesOf(blob);
    return repositories.length === 0 || repositories.some((full) => !this.has(full));
  }
}
