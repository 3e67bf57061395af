import type { Digest } from '../oci/digest.ts';
import type { ImageStore } from '../store/image-store.ts';

/** Repositories that the operator keeps out of the swarm: names at the origin, `*` for any part. */
export class ExcludedRepositories {
  readonly #patterns: readonly RegExp[];
  readonly #images: Pick<ImageStore, 'repositoriesOf'>;

  constructor(patterns: readonly string[], images: Pick<ImageStore, 'repositoriesOf'>) {
    this.#patterns = patterns.map((pattern) => new RegExp(`^${pattern.split('*').map((part) => part.replace(/[^a-z0-9]/g, '\\$&')).join('.*')}$`));
    this.#images = images;
  }

  /** `repository` as at the origin. */
  has(repository: string): boolean {
    return this.#patterns.some((pattern) => pattern.test(repository));
  }

  /** Members may have a blob unless all that link it are excluded. */
  mayShare(blob: Digest): boolean {
    if (this.#patterns.length === 0) return true;
    const repositories = this.#images.repositoriesOf(blob);
    return repositories.length === 0 || repositories.some((name) => !this.has(name.slice(name.indexOf('/') + 1)));
  }
}
