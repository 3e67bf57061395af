import type { OriginAnnouncement } from '../network/network.ts';

/** What this node takes as its origin from what the members say. */
export type OriginChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'learned'; readonly url: string }
  /** Members are configured with different ones. `url` is the one that goes on being used, where one was. */
  | { readonly kind: 'conflict'; readonly urls: readonly string[]; readonly url: string | undefined };

/**
 * Pure. What members were configured with counts; what they merely learned counts only while nobody was configured. The one in
 * use stays while nobody contradicts it, also when all who named it have left.
 */
export function chooseOrigin(announcements: Iterable<OriginAnnouncement>, current: string | undefined): OriginChoice {
  const configured = new Set<string>();
  const learned = new Set<string>();
  for (const { url, source } of announcements) {
    const normal = normalizeOriginUrl(url);
    if (normal !== undefined) (source === 'configured' ? configured : learned).add(normal);
  }
  const named = configured.size > 0 ? configured : learned;
  if (named.size > 1) return { kind: 'conflict', urls: [...named].sort(), url: current !== undefined && named.has(current) ? current : undefined };
  const [url = current] = named;
  return url === undefined ? { kind: 'none' } : { kind: 'learned', url };
}

/** The URL in its one form, or undefined for what no origin is called: announcements come from other nodes. */
export function normalizeOriginUrl(text: string): string | undefined {
  if (/^embedded:[1-9A-HJ-NP-Za-km-z]{10,63}$/.test(text)) return text;
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  return isPlain ? url.origin : undefined;
}
