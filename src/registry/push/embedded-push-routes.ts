import { REGISTRY_PATHS, type Route } from '../http/router.ts';
import type { EmbeddedPushContext } from './embedded-push-context.ts';
import { deleteBlob, deleteManifest, putManifest } from './manifest-handlers.ts';
import { appendUpload, cancelUpload, finishUpload, startUpload, uploadStatus } from './upload-handlers.ts';

/** Push and content management of the distribution specification 1.1, into this node's own origin. */
export function embeddedPushRoutes(context: EmbeddedPushContext): readonly Route[] {
  const route = (name: string, method: Route['method'], path: RegExp, unknown: Route['unknown'], handle: typeof startUpload): Route => ({
    name,
    method,
    path,
    unknown,
    handle: (request, parameters) => handle(context, request, parameters),
  });
  return [
    route('upload', 'POST', REGISTRY_PATHS.uploads, 'NAME_UNKNOWN', startUpload),
    route('upload', 'GET', REGISTRY_PATHS.upload, 'BLOB_UPLOAD_UNKNOWN', uploadStatus),
    route('upload', 'PATCH', REGISTRY_PATHS.upload, 'BLOB_UPLOAD_UNKNOWN', appendUpload),
    route('upload', 'PUT', REGISTRY_PATHS.upload, 'BLOB_UPLOAD_UNKNOWN', finishUpload),
    route('upload', 'DELETE', REGISTRY_PATHS.upload, 'BLOB_UPLOAD_UNKNOWN', cancelUpload),
    route('manifest', 'PUT', REGISTRY_PATHS.manifest, 'MANIFEST_BLOB_UNKNOWN', putManifest),
    route('manifest', 'DELETE', REGISTRY_PATHS.manifest, 'MANIFEST_UNKNOWN', deleteManifest),
    route('blob', 'DELETE', REGISTRY_PATHS.blob, 'BLOB_UNKNOWN', deleteBlob),
  ];
}
