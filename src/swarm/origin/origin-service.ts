import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { Origin } from '../../origin/origin.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import type { ImageStore } from '../../store/image-store.ts';
import type { Network } from '../network/network.ts';
import { normalizeOriginUrl } from './choose-origin.ts';

export interface OriginServiceOptions {
  readonly network: Network;
  readonly images: Pick<ImageStore, 'tag'>;
  /** The embedded origin of this node, where it has one. */
  readonly embedded: Origin | undefined;
  readonly isExcluded: (repository: string) => boolean;
}

/** Answers the members: what this node remembers of tags, and, where its origin is embedded, what they ask an origin. */
export function serveOrigin({ network, images, embedded, isExcluded }: OriginServiceOptions): void {
  network.handle('get-tag', ({ origin, repository, tag }) => {
    const url = normalizeOriginUrl(origin);
    const record = url === undefined || isExcluded(repository) ? undefined : images.tag(`${registryNameOf(url)}/${repository}`, tag);
    return record === undefined ? { type: 'tag' } : { type: 'tag', digest: record.digest.toString(), checkedAt: record.checkedAt };
  });

  const origin = (repository: string): Origin => {
    if (embedded === undefined) throw new LayerswarmError('unsupported', 'this node is not an origin');
    if (isExcluded(repository)) throw new LayerswarmError('not-found', `the repository ${repository} is not shared`);
    return embedded;
  };
  network.handle('origin-resolve', async ({ repository, tag }) => (
    { type: 'tag', digest: (await origin(repository).resolveTag(repository, tag)).toString(), checkedAt: Date.now() }
  ));
  network.handle('origin-manifest', async ({ repository, digest }) => {
    const { mediaType, bytes } = await origin(repository).manifest(repository, Digest.parse(digest));
    return { type: 'manifest', digest, mediaType, bytes: Uint8Array.from(bytes) };
  });
  network.handle('origin-blob-size', async ({ repository, digest }) => (
    { type: 'blob-size', size: await origin(repository).blobSize(repository, Digest.parse(digest)) }
  ));
  network.handle('origin-tags', async ({ repository }) => ({ type: 'tags', tags: await origin(repository).tags(repository) }));
  network.handle('origin-referrers', async ({ repository, digest, artifactType }) => {
    const index = await origin(repository).referrers(repository, Digest.parse(digest), artifactType);
    return index === undefined ? { type: 'referrers' } : { type: 'referrers', index: Uint8Array.from(index) };
  });
}
