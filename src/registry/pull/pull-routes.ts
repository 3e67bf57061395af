import { REGISTRY_PATHS, type Route } from '../http/router.ts';
import { getBlob } from './blob-handler.ts';
import { listReferrers, listTags } from './discovery-handlers.ts';
import { getManifest } from './manifest-handler.ts';
import type { PullContext } from './pull-context.ts';

/** Everything that reads: pull and content discovery of the distribution specification 1.1. */
export function pullRoutes(context: PullContext): readonly Route[] {
  const { deadlineMs } = context;
  return [
    // always 200, and never a challenge: dockerd would send the user's Docker Hub password to a mirror that asks
    { name: 'base', method: 'GET', path: REGISTRY_PATHS.base, unknown: 'NAME_UNKNOWN', handle: () => BASE_ANSWER },
    {
      name: 'manifest',
      method: 'GET',
      path: REGISTRY_PATHS.manifest,
      unknown: 'MANIFEST_UNKNOWN',
      deadlineMs,
      handle: (request, parameters) => getManifest(context, request, parameters),
    },
    {
      name: 'blob',
      method: 'GET',
      path: REGISTRY_PATHS.blob,
      unknown: 'BLOB_UNKNOWN',
      deadlineMs,
      handle: (request, parameters) => getBlob(context, request, parameters),
    },
    {
      name: 'tags',
      method: 'GET',
      path: REGISTRY_PATHS.tags,
      unknown: 'NAME_UNKNOWN',
      deadlineMs,
      handle: (request, parameters) => listTags(context, request, parameters),
    },
    {
      name: 'referrers',
      method: 'GET',
      path: REGISTRY_PATHS.referrers,
      unknown: 'MANIFEST_UNKNOWN',
      deadlineMs,
      handle: (request, parameters) => listReferrers(context, request, parameters),
    },
  ];
}

const EMPTY_OBJECT = Buffer.from('{}');
const BASE_ANSWER = {
  status: 200,
  headers: { 'Content-Type': 'application/json', 'Content-Length': EMPTY_OBJECT.length },
  body: EMPTY_OBJECT,
} as const;
