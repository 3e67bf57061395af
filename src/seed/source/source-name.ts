import { access } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import { isTag } from '../../oci/name.ts';

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

/** A path may hold colons itself: the name begins at the first colon before which there is a file. */
export async function splitName({
  kind,
  path,
}: {
  readonly kind: SourceKind;
  readonly path: string;
}): Promise<{ path: string; name: string | undefined }> {
  if (await exists(path)) return { path, name: undefined };
  for (let colon = path.indexOf(':'); colon !== -1; colon = path.indexOf(':', colon + 1)) {
    const before = path.slice(0, colon);
    if (before !== '' && (await exists(before))) return { path: before, name: path.slice(colon + 1) };
  }
  const last = path.lastIndexOf(':');
  const isNamed = last > 0 && (kind === 'docker-archive' || isTag(path.slice(last + 1)));
  return isNamed ? { path: path.slice(0, last), name: path.slice(last + 1) } : { path, name: undefined };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
