import type { RegistryRequest } from '../http/message.ts';
import { REGISTRY_PATHS } from '../http/router.ts';

/** What a request on the push listener does, as far as this node has something to learn from it. */
export type PushRequest =
  | { readonly kind: 'start'; readonly name: string; readonly mount: string | undefined; readonly digest: string | undefined }
  | { readonly kind: 'append'; readonly name: string; readonly upload: string }
  | { readonly kind: 'finish'; readonly name: string; readonly upload: string; readonly digest: string }
  | { readonly kind: 'cancel'; readonly name: string; readonly upload: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'other' };

/** `upload` is the path of the upload, without its query: what stays the same from request to request. */
export function parsePushRequest({ method, target, query }: RegistryRequest): PushRequest {
  const upload = uploadPath(target);
  const path = decodeURIComponent(upload);
  if (method === 'POST') {
    const name = REGISTRY_PATHS.uploads.exec(path)?.groups?.['name'];
    return name === undefined
      ? OTHER
      : { kind: 'start', name, mount: query.get('mount') ?? undefined, digest: query.get('digest') ?? undefined };
  }
  const manifest = method === 'PUT' ? REGISTRY_PATHS.manifest.exec(path)?.groups : undefined;
  if (manifest !== undefined) return { kind: 'manifest', name: manifest['name']!, reference: manifest['reference']! };
  const name = REGISTRY_PATHS.upload.exec(path)?.groups?.['name'];
  if (name === undefined) return OTHER;
  if (method === 'PATCH') return { kind: 'append', name, upload };
  if (method === 'PUT') return { kind: 'finish', name, upload, digest: query.get('digest') ?? '' };
  return method === 'DELETE' ? { kind: 'cancel', name, upload } : OTHER;
}

/** The path of a request target or of a Location on this listener. */
export function uploadPath(target: string): string {
  return target.split('?', 1)[0]!;
}

const OTHER = { kind: 'other' } as const;
