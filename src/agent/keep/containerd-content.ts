import { join } from 'node:path';
import { ContentClient } from '../../containerd/content-client.ts';
import { mayShareContent } from '../../containerd/content-sharing.ts';
import { ContentStoreBlobs } from '../../containerd/content-store-blobs.ts';
import { ContentWatcher, type ContentState } from '../../containerd/content-watcher.ts';
import { VerifiedFiles } from '../../containerd/verified-files.ts';
import { errorCode } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Digest } from '../../oci/digest.ts';
import { LayeredBlobStore } from '../../store/blobs/layered-blob-store.ts';
import type { Store } from '../../store/store.ts';
import type { AgentConfig } from '../config/config.ts';

/** Small blobs stay in the node's own store: manifests are read from there. */
const MIN_DUPLICATE_BYTES = 64 * 1024;

export interface ContainerdContentConfig extends Readonly<Omit<AgentConfig['containerd'], 'socket'>> {
  readonly socket: string;
}

/** What containerd on this host holds, under the node's own store. */
export interface ContainerdContent extends AsyncDisposable {
  /** The node's store, with containerd's blobs beneath its own. */
  readonly store: Store;
  status(): { readonly blobs: number; readonly bytes: number } & ContentState;
  /** Reads what both hold at containerd, so that `isHeld` can say of it that the node's own copy may go. */
  checkDuplicates(signal: AbortSignal): Promise<void>;
  /** Blobs that are shared from there, and those whose files were found wrong. */
  list(): Iterable<{ readonly digest: Digest; readonly size: number }>;
  holds(digest: Digest): boolean;
  /** Reads the file again, whatever is remembered of it. Not `ok`, it is used no more. */
  check(digest: Digest): Promise<{ readonly state: 'ok' | 'corrupt' | 'missing'; readonly path: string }>;
  /** Whether containerd holds the blob, and its bytes were found right. */
  isHeld(digest: Digest): boolean;
  start(rules: { readonly registries: () => readonly string[]; readonly isExcluded: (full: string) => boolean }): void;
}

export function openContainerdContent(
  data: string,
  { socket, root, namespaces }: ContainerdContentConfig,
  own: Store,
  log: Logger,
): ContainerdContent {
  // containerd, docs/content-flow.md and the content plugin's name: the same since 1.0.
  const folder = join(root, 'io.containerd.content.v1.content', 'blobs');
  const verified = VerifiedFiles.open(join(data, 'containerd.sqlite'));
  const content = new ContentStoreBlobs({ blobs: folder, verified, log });
  let watcher: ContentWatcher | undefined;
  return {
    store: { ...own, blobs: new LayeredBlobStore(own.blobs, content) },
    status() {
      const held = [...content.list()];
      return { blobs: held.length, bytes: held.reduce((sum, { size }) => sum + size, 0), ...(watcher?.state ?? { state: 'starting' }) };
    },
    async checkDuplicates(signal) {
      for (const { digest, size } of Array.from(own.blobs.list())) {
        if (signal.aborted) return;
        if (size < MIN_DUPLICATE_BYTES || content.size(digest) === undefined) continue;
        await content.verify(digest).catch((error: unknown) => {
          if (!['not-found', 'aborted'].includes(errorCode(error))) throw error;
        });
      }
    },
    list: () => content.all(),
    holds: (digest) => content.size(digest) !== undefined,
    check: async (digest) => ({ state: await content.check(digest), path: content.path(digest) }),
    isHeld: (digest) => content.size(digest) !== undefined && content.isVerified(digest),
    start({ registries, isExcluded }) {
      watcher = new ContentWatcher({
        content,
        namespaces,
        log,
        blobs: folder,
        list: new ContentClient(socket),
        mayShare: (info) => mayShareContent(info, { registries: registries(), isExcluded }),
      });
      watcher.start();
    },
    async [Symbol.asyncDispose]() {
      await watcher?.close();
      await content.close();
      verified.close();
    },
  };
}
