import type { RegistryRequest, RegistryResponse } from '../http/message.ts';
import type { ResolvedTag } from '../images/tag-resolver.ts';
import type { ResolvedManifest } from '../images/image-resolver.ts';
import type { Parameters } from '../http/router.ts';
import { clientName } from '../client-name.ts';
import { bringFirstBlob } from './first-blob.ts';
import { HEADERS_MARGIN_MS, isPullFailure, PULL_HEADER, type PullContext } from './pull-context.ts';

const MAX_NAMED = 4;

/** `GET` and `HEAD /v2/<name>/manifests/<reference>`. Accept is not looked at: a tag means one digest, whoever asks. */
export async function getManifest(context: PullContext, request: RegistryRequest, parameters: Parameters): Promise<RegistryResponse> {
  const headersDue = performance.now() + context.deadlineMs - HEADERS_MARGIN_MS;
  const repository = context.namespaces.repository(parameters['name']!, request.query);
  const reference = parameters['reference']!;
  const upstream = context.upstreamOf(repository);
  const client = clientName(request.headers['user-agent']);
  const isHead = request.method === 'HEAD';
  const serve = async (): Promise<ResolvedManifest & { readonly pull: string }> => {
    const resolved = await upstream.resolver.manifest(repository, reference, request.signal);
    const pull = context.observer.manifestServed({ repository: repository.full, reference, digest: resolved.raw.digest, isHead, client });
    if (!isHead)
      await bringFirstBlob(
        context,
        upstream,
        repository,
        resolved.manifest,
        Math.min(context.deadlineMs / 2, headersDue - performance.now()),
        request.signal,
      );
    return { ...resolved, pull };
  };
  const { raw, tag, pull } = await serve().catch((error: unknown) => {
    if (isPullFailure(error))
      context.observer.manifestFailed({ repository: repository.full, reference, client, error: (error as Error).message });
    throw error;
  });
  const digest = raw.digest.toString();
  return {
    status: 200,
    headers: {
      'Content-Type': raw.mediaType,
      'Content-Length': raw.bytes.length,
      'Docker-Content-Digest': digest,
      ETag: `"${digest}"`,
      [PULL_HEADER]: pull,
      ...(tag?.kind === 'stale' ? { Warning: staleWarning(tag) } : {}),
    },
    body: raw.bytes,
  };
}

/** RFC 7234 §5.5: 299 is a miscellaneous persistent warning, which clients may show. */
function staleWarning({ checkedAt, witnesses }: Pick<Extract<ResolvedTag, { kind: 'stale' }>, 'checkedAt' | 'witnesses'>): string {
  const at = new Date(checkedAt).toISOString();
  if (witnesses === undefined) return `299 layerswarm "the origin is away; this is what it said to this node at ${at}"`;
  const named = witnesses.slice(0, MAX_NAMED).join(', ');
  const more = witnesses.length > MAX_NAMED ? ` and ${witnesses.length - MAX_NAMED} more` : '';
  return `299 layerswarm "the origin is away; this is what ${named}${more} heard from it, last at ${at}"`;
}
