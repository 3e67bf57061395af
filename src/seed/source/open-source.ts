import { access } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { ImageSource } from '../../copy/image-source.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Platform } from '../../oci/descriptor.ts';
import { isTag } from '../../oci/name.ts';
import { ArchiveFiles } from './archive-files.ts';
import { DockerArchiveSource } from './docker-archive-source.ts';
import { OciLayoutSource } from './oci-layout-source.ts';
import { RootfsSource } from './rootfs-source.ts';
import { FolderFiles } from './source-files.ts';

export type SourceKind = 'docker' | 'oci' | 'oci-archive' | 'docker-archive' | 'tar' | 'disk';

/** SOURCE of `layerswarm seed`, in its parts. */
export type SourceName =
  | { readonly kind: 'docker'; readonly image: string }
  | { readonly kind: Exclude<SourceKind, 'docker'>; readonly path: string };

const EXPECTED = 'docker://NAME:TAG, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, tar:FILE or disk:FILE';

/** @throws `usage` */
export function parseSource(text: string): SourceName {
  const match = /^(docker|oci|oci-archive|docker-archive|tar|disk):(.+)$/s.exec(text);
  const kind = match?.[1] as SourceKind | undefined;
  const rest = match?.[2] ?? '';
  if (kind === 'docker') {
    if (rest.startsWith('//') && rest.length > 2) return { kind, image: rest.slice(2) };
  } else if (kind !== undefined && !rest.includes('\0')) {
    return { kind, path: rest };
  }
  throw new LayerswarmError('usage', `expected a source such as ${EXPECTED}, received ${JSON.stringify(text.slice(0, 200))}`);
}

export interface OpenOptions {
  /** Takes what has to be unpacked. */
  readonly tempFolder: string;
  /** Of a root file system, which does not say it itself; this host's own when absent. */
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Makes a source of files and folders. @throws as the sources' own `open` */
export async function openFileSource(source: { readonly kind: 'oci' | 'oci-archive' | 'docker-archive' | 'tar'; readonly path: string }, { tempFolder, platform, signal }: OpenOptions): Promise<ImageSource & { readonly suggestedName?: string | undefined }> {
  const { path, name } = source.kind === 'tar' ? { path: source.path, name: undefined } : await splitName(source);
  if (!isAbsolute(path)) throw new LayerswarmError('usage', `expected the full path of the source, received ${path}`);
  switch (source.kind) {
    case 'oci': return withFiles(await FolderFiles.open(path), (files) => OciLayoutSource.open(files, name));
    case 'oci-archive': return withFiles(await ArchiveFiles.open(path, tempFolder, signal), (files) => OciLayoutSource.open(files, name));
    // Docker 25 and later save an OCI layout, with the digests that it had, beside the old manifest.json
    case 'docker-archive': return withFiles(await ArchiveFiles.open(path, tempFolder, signal), async (files) => (
      await files.size('oci-layout') === undefined ? DockerArchiveSource.open(files, name, signal) : OciLayoutSource.open(files, name)));
    case 'tar': return RootfsSource.open(path, platform, signal);
    default: return source.kind satisfies never;
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

/** A path may hold colons itself: the name begins at the first colon before which there is a file. */
async function splitName({ kind, path }: { readonly kind: SourceKind; readonly path: string }): Promise<{ path: string; name: string | undefined }> {
  if (await exists(path)) return { path, name: undefined };
  for (let colon = path.indexOf(':'); colon !== -1; colon = path.indexOf(':', colon + 1)) {
    const before = path.slice(0, colon);
    if (before !== '' && await exists(before)) return { path: before, name: path.slice(colon + 1) };
  }
  const last = path.lastIndexOf(':');
  const isNamed = last > 0 && (kind === 'docker-archive' || isTag(path.slice(last + 1)));
  return isNamed ? { path: path.slice(0, last), name: path.slice(last + 1) } : { path, name: undefined };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
