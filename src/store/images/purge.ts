import { Digest } from '../../oci/digest.ts';
import type { DiskBlobStore } from '../blobs/disk-blob-store.ts';
import type { ImageStore } from './image-store.ts';
import type { Metadata } from '../db/metadata.ts';
import { parseReference, reachableFrom } from './pins.ts';

export interface PurgeOptions {
  /** Full, `registry/repository`. */
  readonly repository: string;
  /** The manifest or index to remove. */
  readonly digest: Digest;
  /** What it is made of, where this store has lost its manifest. */
  readonly blobs?: readonly Digest[];
  /** Says what would go, and changes nothing. */
  readonly dryRun?: boolean;
}

export interface PurgeResult {
  /** Blobs, manifests and unfinished blobs; of those the size is what they have so far. */
  readonly removed: readonly { readonly digest: Digest; readonly size: number }[];
  readonly bytes: number;
  /** Parts of the image that are here and stay, since another image needs them. */
  readonly kept: readonly Digest[];
  /** `repository:tag`, which named the image. */
  readonly tags: readonly string[];
  /** References that kept it, and are pins no more. */
  readonly unpinned: readonly string[];
}

interface Parts {
  readonly blobs: DiskBlobStore;
  readonly metadata: Metadata;
  readonly images: ImageStore;
}

/** The image, and what says of itself that it is about it: signatures, SBOMs. */
const WITH_REFERRERS = `
WITH RECURSIVE image (digest) AS (
  VALUES (?2)
  UNION SELECT blob FROM manifest_links JOIN image ON manifest = image.digest
  UNION SELECT manifests.digest FROM manifests JOIN image ON subject = image.digest JOIN repository_manifests ON manifest = manifests.digest AND repository = ?1
) SELECT digest FROM image`;

/** Other images of the repository; a part of the image with a tag of its own is one. */
const OTHERS_HERE = `
SELECT manifest AS digest FROM repository_manifests WHERE repository = ?1 AND manifest NOT IN (SELECT value FROM json_each(?2))
UNION SELECT digest FROM tags WHERE repository = ?1 AND digest <> ?3`;

const OTHERS_ELSEWHERE = `
SELECT manifest AS digest FROM repository_manifests WHERE repository <> ?1
UNION SELECT digest FROM tags WHERE repository <> ?1
UNION SELECT blob FROM repository_blobs WHERE repository <> ?1`;

const MANIFESTS_OF =
  'SELECT manifest AS digest FROM repository_manifests WHERE repository = ?1 AND manifest IN (SELECT value FROM json_each(?2))';

/**
 * Removes an image: its manifests, their tags and pins in the repository, and every blob of it that no other image here needs. What an
 * embedded origin holds of it goes too, since a person asked.
 */
export async function purgeImage(parts: Parts, options: PurgeOptions): Promise<PurgeResult> {
  const { blobs, images } = parts;
  const { repository, dryRun = false } = options;
  const { image, manifests, keep } = plan(parts, options);
  const unfinished = new Map([...blobs.partials()].map(({ digest, haveBytes }) => [digest.toString(), haveBytes]));
  const here = [...image]
    .map((key) => Digest.parse(key))
    .flatMap((digest) => {
      const size = blobs.size(digest) ?? unfinished.get(digest.toString());
      return size === undefined ? [] : [{ digest, size }];
    });
  const removed = here.filter(({ digest }) => !keep.has(digest.toString()));
  const tags = images.tags(repository).filter((tag) => images.tag(repository, tag)?.digest.equals(options.digest) === true);
  const unpinned = images.pins().filter((text) => {
    const reference = parseReference(text);
    if (reference?.name !== repository) return false;
    return reference.digest === undefined ? tags.includes(reference.tag ?? '') : reference.digest.equals(options.digest);
  });
  if (!dryRun) {
    for (const reference of unpinned) images.unpin(reference);
    for (const tag of tags) images.deleteTag(repository, tag);
    for (const digest of manifests) await images.deleteManifest(repository, digest);
    for (const { digest } of removed) {
      images.unlink(repository, digest);
      await blobs.delete(digest);
    }
    await images.flush();
  }
  return {
    removed,
    bytes: removed.reduce((sum, { size }) => sum + size, 0),
    kept: here.filter(({ digest }) => keep.has(digest.toString())).map(({ digest }) => digest),
    tags: tags.map((tag) => `${repository}:${tag}`),
    unpinned,
  };
}

interface Plan {
  /** Everything that the image is made of, as text. */
  readonly image: ReadonlySet<string>;
  /** What leaves the repository. */
  readonly manifests: readonly Digest[];
  /** What other images need. */
  readonly keep: ReadonlySet<string>;
}

function plan({ metadata }: Parts, { repository, digest, blobs = [] }: PurgeOptions): Plan {
  const root = digest.toString();
  const digests = (sql: string, ...values: string[]): string[] =>
    metadata
      .statement(sql)
      .all(...values)
      .map((row) => row['digest'] as string);
  const known = digests(WITH_REFERRERS, repository, root);
  const image = new Set([...known, ...blobs.map(String)]);
  const text = JSON.stringify([...image]);
  const here = reachableFrom(metadata, digests(OTHERS_HERE, repository, text, root));
  const elsewhere = reachableFrom(metadata, digests(OTHERS_ELSEWHERE, repository));
  return {
    image,
    // the image itself always goes, also where an index lists it; its bytes then stay with the index
    manifests: digests(MANIFESTS_OF, repository, text)
      .filter((key) => key === root || !here.has(key))
      .map((key) => Digest.parse(key)),
    keep: new Set([...here, ...elsewhere]),
  };
}
