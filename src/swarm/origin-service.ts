import { LayerswarmError } from '../errors.ts';
import { Digest } from '../oci/digest.ts';
import { checkRepositoryName, checkTag } from '../oci/name.ts';
import type { Origin } from '../origin/origin.ts';
import type { PeerMessages } from './network/network.ts';

/** Tags that fit into one message together, whatever they are called. */
const MAX_TAGS = 30_000;

/**
 * Lets the other members use the origin that is embedded in this node: its tags, manifests and sizes by messages. Blobs need
 * nothing here, since lanes serve what the store holds. Excluded repositories are not there for them.
 */
export function serveOrigin(network: PeerMessages, origin: Origin, isExcluded: (repository: string) => boolean = () => false): void {
  const shared = (repository: string): string => {
    if (isExcluded(checkRepositoryName(repository)))
      throw new LayerswarmError('not-found', `the repository ${repository} is not in this origin`);
    return repository;
  };
  network.handle('origin-resolve', async ({ repository, tag }) => {
    const digest = await origin.resolveTag(shared(repository), checkTag(tag));
    return { type: 'tag', digest: digest.toString(), checkedAt: Date.now() };
  });
  network.handle('origin-manifest', async (message) => {
    const { digest, mediaType, bytes } = await origin.manifest(shared(message.repository), Digest.parse(message.digest));
    return { type: 'manifest', digest: digest.toString(), mediaType, bytes };
  });
  network.handle('origin-blob-size', async ({ repository, digest }) => {
    return { type: 'blob-size', size: await origin.blobSize(shared(repository), Digest.parse(digest)) };
  });
  network.handle('origin-tags', async ({ repository }) => {
    return { type: 'tags', tags: (await origin.tags(shared(repository))).slice(0, MAX_TAGS) };
  });
  network.handle('origin-referrers', async ({ repository, digest, artifactType }) => {
    return { type: 'referrers', index: await origin.referrers(shared(repository), Digest.parse(digest), artifactType) };
  });
}
