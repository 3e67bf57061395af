import { errorCode, LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { referrersIndex } from '../../oci/referrers.ts';
import { OciError } from '../http-error.ts';
import type { RegistryRequest, RegistryResponse } from '../http/message.ts';
import type { Parameters } from '../http/router.ts';
import { isOriginAway } from '../images/origin-calls.ts';
import type { PullContext } from './pull-context.ts';
import { nextLink, pageOf, parsePage } from './tag-page.ts';

const LOCAL_ANSWER_WARNING = '299 layerswarm "the origin is away; this is what this node remembers"';

/** `GET /v2/<name>/tags/list`. While the origin is away, the tags that this node knows. */
export async function listTags(context: PullContext, request: RegistryRequest, parameters: Parameters): Promise<RegistryResponse> {
  const name = parameters['name']!;
  const repository = context.namespaces.repository(name, request.query);
  const page = parsePage(request.query);
  let tags: readonly string[];
  let isLocal = false;
  try {
    tags = await context.upstreamOf(repository).resolver.calls.ask((origin, signal) => origin.tags(repository.name, signal));
  } catch (error) {
    tags = context.images.tags(repository.full);
    if (!isOriginAway(error) || tags.length === 0) throw error;
    isLocal = true;
  }
  const { tags: shown, hasMore } = pageOf(tags, page);
  return jsonResponse(Buffer.from(JSON.stringify({ name, tags: shown })), 'application/json', {
    ...(hasMore ? { Link: nextLink(name, request.query.get('ns'), page, shown.at(-1)!) } : {}),
    ...(isLocal ? { Warning: LOCAL_ANSWER_WARNING } : {}),
  });
}

/**
 * `GET /v2/<name>/referrers/<digest>`. Where the origin has no such API the answer is 404, and clients go to the tag
 * `sha256-<hex>`; an empty list would hide signatures.
 */
export async function listReferrers(context: PullContext, request: RegistryRequest, parameters: Parameters): Promise<RegistryResponse> {
  const repository = context.namespaces.repository(parameters['name']!, request.query);
  const subject = Digest.parse(parameters['digest']!);
  const artifactType = request.query.get('artifactType') ?? undefined;
  const filtered = artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' };
  try {
    const index = await context
      .upstreamOf(repository)
      .resolver.calls.ask((origin, signal) => origin.referrers(repository.name, subject, artifactType, signal));
    if (index === undefined) throw new OciError(404, 'UNSUPPORTED', 'the origin does not support the referrers API; use the referrers tag');
    return jsonResponse(filterIndex(index, artifactType), MediaType.ociIndex, filtered);
  } catch (error) {
    if (!isOriginAway(error)) throw error;
    const known = await context.images.referrers(repository.full, subject);
    if (known.length === 0) throw error;
    return jsonResponse(referrersIndex(known, artifactType), MediaType.ociIndex, { ...filtered, Warning: LOCAL_ANSWER_WARNING });
  }
}

/** Registries may ignore the filter; leaving in what they left out is not possible, so filtering twice is safe. */
function filterIndex(index: Buffer, artifactType: string | undefined): Buffer {
  if (index.length > MAX_MANIFEST_BYTES) throw new LayerswarmError('too-large', 'the origin lists more referrers than a manifest may hold');
  assertIndex(index);
  if (artifactType === undefined) return index;
  const document = JSON.parse(index.toString('utf8')) as { manifests: { artifactType?: string }[] };
  return Buffer.from(
    JSON.stringify({ ...document, manifests: document.manifests.filter((descriptor) => descriptor.artifactType === artifactType) }),
  );
}

function assertIndex(index: Buffer): void {
  try {
    parseManifest(index, MediaType.ociIndex);
  } catch (error) {
    throw new LayerswarmError('unavailable', `the origin's list of referrers is malformed (${errorCode(error)})`, { cause: error });
  }
}

function jsonResponse(body: Buffer, contentType: string, headers: Record<string, string>): RegistryResponse {
  return { status: 200, headers: { 'Content-Type': contentType, 'Content-Length': body.length, ...headers }, body };
}
