import { BoundedMap } from '../bounded-map.ts';
import { errorCode } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { ByteRate } from '../origin/budget.ts';
import type { Origin } from '../origin/origin.ts';
import type { RegistryWriter } from '../origin/registry-writer.ts';
import { KeyedQueue } from '../async/keyed-queue.ts';

/** Blobs whose place at a registry is remembered. */
const MAX_PLACES = 50_000;
/** Mounts that are tried before a blob is uploaded. */
const MAX_MOUNTS = 3;

/** The reading side of a registry, as far as a copy needs it. */
export type TargetReader = Pick<Origin, 'url' | 'resolveTag' | 'manifest' | 'referrers'>;

/** A registry that images are copied to: shared by all copies to it, so that two that run at once send no blob twice. */
export class CopyTarget {
  readonly reader: TargetReader;
  readonly writer: RegistryWriter;
  /** Of uploads; undefined for no limit. */
  readonly rate: ByteRate | undefined;
  readonly #blobs = new KeyedQueue();
  readonly #places = new BoundedMap<string, Set<string>>(MAX_PLACES);

  constructor(parts: { reader: TargetReader; writer: RegistryWriter; rate?: ByteRate | undefined }) {
    this.reader = parts.reader;
    this.writer = parts.writer;
    this.rate = parts.rate;
  }

  /** Runs `job` when no other copy works on this blob. */
  alone<T>(blob: Digest, job: () => Promise<T>): Promise<T> {
    return this.#blobs.run(blob.toString(), job);
  }

  /** The repository is known to hold the blob. */
  placed(blob: Digest, repository: string): void {
    const key = blob.toString();
    const repositories = this.#places.get(key) ?? new Set();
    repositories.add(repository);
    this.#places.set(key, repositories);
  }

  /** Other repositories from which the blob may be mounted, the surest first. */
  places(blob: Digest, repository: string, guesses: Iterable<string>): string[] {
    const all = new Set([...(this.#places.get(blob.toString()) ?? []), ...guesses]);
    all.delete(repository);
    return [...all].slice(0, MAX_MOUNTS);
  }

  /** What the tag means at the registry; undefined when it is not there. */
  async tag(repository: string, tag: string, signal?: AbortSignal): Promise<Digest | undefined> {
    return missingAsUndefined(this.reader.resolveTag(repository, tag, signal));
  }

  async hasManifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    return (await missingAsUndefined(this.reader.manifest(repository, digest, signal))) !== undefined;
  }
}

export async function missingAsUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (errorCode(error) === 'not-found') return undefined;
    throw error;
  }
}
