import { OciError } from '../http-error.ts';
import { REGISTRY_PATHS, type Route } from '../http/router.ts';

/** Tells whoever pushes to the endpoint of a node with a remote origin where pushes go. */
export function readOnlyRoutes(): readonly Route[] {
  const handle = (): never => {
    throw new OciError(
      405,
      'UNSUPPORTED',
      'this endpoint is read-only: push to the origin itself, or through the push listener of an agent (--push)',
    );
  };
  return [
    { name: 'push', method: '*', path: REGISTRY_PATHS.uploads, unknown: 'BLOB_UPLOAD_UNKNOWN', handle },
    { name: 'push', method: '*', path: REGISTRY_PATHS.upload, unknown: 'BLOB_UPLOAD_UNKNOWN', handle },
    { name: 'push', method: 'PUT', path: REGISTRY_PATHS.manifest, unknown: 'MANIFEST_UNKNOWN', handle },
    { name: 'push', method: 'DELETE', path: REGISTRY_PATHS.manifest, unknown: 'MANIFEST_UNKNOWN', handle },
    { name: 'push', method: 'DELETE', path: REGISTRY_PATHS.blob, unknown: 'BLOB_UNKNOWN', handle },
  ];
}
