import { isAbsolute } from 'node:path';
import type { ImageSource } from '../../copy/image-source.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Platform } from '../../oci/descriptor.ts';
import { ArchiveFiles } from './archive-files.ts';
import { DockerArchiveSource } from './docker-archive-source.ts';
import { OciLayoutSource } from './oci-layout-source.ts';
import { RootfsSource } from './rootfs-source.ts';
import { FolderFiles } from './source-files.ts';
import { splitName } from './source-name.ts';

export interface OpenOptions {
  /** Takes what has to be unpacked. */
  readonly tempFolder: string;
  /** Of a root file system, which does not say it itself; this host's own when absent. */
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Makes a source of files and folders. @throws as the sources' own `open` */
export async function openFileSource(
  source: { readonly kind: 'oci' | 'oci-archive' | 'docker-archive' | 'tar'; readonly path: string },
  { tempFolder, platform, signal }: OpenOptions,
): Promise<ImageSource & { readonly suggestedName?: string | undefined }> {
  const { path, name } = source.kind === 'tar' ? { path: source.path, name: undefined } : await splitName(source);
  if (!isAbsolute(path)) throw new LayerswarmError('usage', `expected the full path of the source, received ${path}`);
  switch (source.kind) {
    case 'oci':
      return withFiles(await FolderFiles.open(path), (files) => OciLayoutSource.open(files, name));
    case 'oci-archive':
      return withFiles(await ArchiveFiles.open(path, tempFolder, signal), (files) => OciLayoutSource.open(files, name));
    // Docker 25 and later save an OCI layout, with the digests that it had, beside the old manifest.json
    case 'docker-archive':
      return withFiles(await ArchiveFiles.open(path, tempFolder, signal), async (files) =>
        (await files.size('oci-layout')) === undefined ? DockerArchiveSource.open(files, name, signal) : OciLayoutSource.open(files, name),
      );
    case 'tar':
      return RootfsSource.open(path, platform, signal);
    default:
      return source.kind satisfies never;
  }
}

async function withFiles<F extends { close(): Promise<void> }, S>(files: F, open: (files: F) => Promise<S>): Promise<S> {
  try {
    return await open(files);
  } catch (error) {
    await files.close();
    throw error;
  }
}
