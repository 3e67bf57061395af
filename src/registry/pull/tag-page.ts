import { quote } from '../../oci/name.ts';
import { OciError } from '../http-error.ts';

/** `n` and `last` of a tag listing: distribution-spec 1.1, "Listing Tags". */
export interface TagPage {
  /** How many at most; undefined for all. */
  readonly limit: number | undefined;
  /** Only tags after this one, in lexical order. */
  readonly last: string | undefined;
}

/** @throws OciError 400 when `n` is no number */
export function parsePage(query: URLSearchParams): TagPage {
  const n = query.get('n');
  if (n !== null && !/^\d{1,9}$/.test(n)) throw new OciError(400, 'UNSUPPORTED', `expected a number of tags as n, received ${quote(n)}`);
  return { limit: n === null ? undefined : Number(n), last: query.get('last') ?? undefined };
}

/** The page of `tags`, which are in lexical order. */
export function pageOf(tags: readonly string[], { limit, last }: TagPage): { tags: readonly string[]; hasMore: boolean } {
  const after = last === undefined ? tags : tags.filter((tag) => tag > last);
  const shown = limit === undefined ? after : after.slice(0, limit);
  return { tags: shown, hasMore: shown.length > 0 && shown.length < after.length };
}

/** The Link header to the next page (RFC 8288): of the name and namespace that were asked for. */
export function nextLink(name: string, namespace: string | null, page: TagPage, lastShown: string): string {
  const query = new URLSearchParams({ n: String(page.limit), last: lastShown, ...(namespace === null ? {} : { ns: namespace }) });
  return `</v2/${name}/tags/list?${query.toString()}>; rel="next"`;
}
