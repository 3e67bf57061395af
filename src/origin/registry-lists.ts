import { z } from 'zod';
import { errorCode, LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts';
import { MediaType, mediaTypeEssence } from '../oci/media-type.ts';
import { checkRepositoryName, isRepositoryName, isTag } from '../oci/name.ts';
import type { Access } from './auth.ts';
import { nextPage } from './link-header.ts';
import type { RegistryHttp } from './registry-http.ts';
import { pullAccess } from './registry-request.ts';
import type { Answer } from './transport.ts';

const TAGS_A_PAGE = 1_000;
const MAX_PAGES = 1_000;
// a registry that does not paginate sends everything at once
const MAX_TAGS_BODY = 32 * 1024 * 1024;
const MAX_REFERRERS_BODY = MAX_MANIFEST_BYTES;

const tagList = z.object({ tags: z.array(z.string()).nullish() });
const catalog = z.object({ repositories: z.array(z.string()).nullish() });

/** In order of their names. @throws LayerswarmError as `Origin` says, as all below */
export async function listTags(http: RegistryHttp, repository: string, signal?: AbortSignal): Promise<string[]> {
  const tags = new Set<string>();
  const first = `/v2/${checkRepositoryName(repository)}/tags/list?n=${TAGS_A_PAGE}`;
  await readPages(http, `the tag list of ${repository}`, first, pullAccess(repository), signal, async (answer) => {
    const parsed = tagList.safeParse(parseJson(await answer.bytes(MAX_TAGS_BODY)));
    if (!parsed.success)
      throw new LayerswarmError('unsupported', `${http.url.host} answered something other than a tag list of ${repository}`);
    for (const tag of parsed.data.tags ?? []) if (isTag(tag)) tags.add(tag);
  });
  return [...tags].sort();
}

/** All repositories, where the registry lists them to this login (`/v2/_catalog` of distribution); undefined elsewhere. */
export async function listRepositories(http: RegistryHttp, signal?: AbortSignal): Promise<string[] | undefined> {
  const { prefix } = http.place;
  const names = new Set<string>();
  try {
    await readPages(
      http,
      'the list of repositories',
      `/v2/_catalog?n=${TAGS_A_PAGE}`,
      { scopes: ['registry:catalog:*'] },
      signal,
      async (answer) => {
        const parsed = catalog.safeParse(parseJson(await answer.bytes(MAX_TAGS_BODY)));
        if (!parsed.success)
          throw new LayerswarmError('unsupported', `${http.url.host} answered something other than a list of repositories`);
        for (const full of parsed.data.repositories ?? []) {
          const name = full.startsWith(prefix) ? full.slice(prefix.length) : '';
          if (isRepositoryName(name)) names.add(name);
        }
      },
    );
  } catch (error) {
    if (['unsupported', 'not-found', 'origin-denied', 'origin-unauthorized'].includes(errorCode(error))) return undefined;
    throw error;
  }
  return [...names].sort();
}

/** An index of what refers to `subject`; undefined where the registry has no such API. */
export async function listReferrers(
  http: RegistryHttp,
  repository: string,
  subject: Digest,
  artifactType?: string,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
  const first = `/v2/${checkRepositoryName(repository)}/referrers/${subject.toString()}${query}`;
  const pages: { bytes: Buffer; filtered: boolean }[] = [];
  let supported = true;
  await readPages(
    http,
    `the referrers of ${subject.toString()} in ${repository}`,
    first,
    pullAccess(repository),
    signal,
    async (answer) => {
      supported &&= answer.status === 200 && mediaTypeEssence(answer.header('content-type')) === MediaType.ociIndex;
      if (supported)
        pages.push({
          bytes: await answer.bytes(MAX_REFERRERS_BODY),
          filtered: /\bartifactType\b/.test(answer.header('oci-filters-applied') ?? ''),
        });
    },
    [400, 404, 405, 501],
  );
  if (!supported) return undefined;
  const wanted = pages.every(({ filtered }) => filtered) ? undefined : artifactType;
  return mergeReferrers(
    pages.map(({ bytes }) => bytes),
    wanted,
  );
}

/** Follows `rel="next"` to the end. */
async function readPages(
  http: RegistryHttp,
  what: string,
  first: string,
  access: Access,
  signal: AbortSignal | undefined,
  read: (answer: Answer) => Promise<void>,
  alsoAccept: readonly number[] = [],
): Promise<void> {
  let target: string | URL | undefined = first;
  for (let page = 1; target !== undefined; page++) {
    if (page > MAX_PAGES) throw new LayerswarmError('too-large', `${what} has more than ${MAX_PAGES} pages`);
    const answer: Answer = await http.send({ what, method: 'GET', target, access, accept: [200, ...alsoAccept], signal });
    try {
      await read(answer);
    } catch (error) {
      throw http.failure(what, error, signal).error;
    } finally {
      answer.discard();
    }
    target = nextPage(answer.header('link'), answer.url);
  }
}

/** One index out of the pages; the origin's own bytes where there is one page and nothing is left to filter. Undefined when it is no index. */
function mergeReferrers(pages: readonly Buffer[], artifactType: string | undefined): Buffer | undefined {
  const descriptors: unknown[] = [];
  for (const page of pages) {
    try {
      parseManifest(page, MediaType.ociIndex);
    } catch (error) {
      if (error instanceof LayerswarmError) return undefined; // callers fall back to the tag, as for a registry without the API
      throw error;
    }
    descriptors.push(
      ...(JSON.parse(page.toString('utf8')) as { manifests: { artifactType?: string }[] }).manifests.filter(
        (descriptor) => artifactType === undefined || descriptor.artifactType === artifactType,
      ),
    );
  }
  if (pages.length === 1 && artifactType === undefined) return pages[0];
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: descriptors }));
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // the schema says what was expected
  }
}
