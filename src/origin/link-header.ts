import { LayerswarmError } from '../errors.ts';

/** The target of `rel="next"` in a Link header (RFC 8288), resolved; undefined when there is none. @throws LayerswarmError `origin-denied` when it leads elsewhere */
export function nextPage(header: string | undefined, current: URL): URL | undefined {
  for (const [, target, parameters] of (header ?? '').slice(0, 8 * 1024).matchAll(/<([^<>]*)>((?:\s*;\s*[^;,"<>]+(?:"[^"]*")?)*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)/i.test(parameters ?? '')) continue;
    const next = URL.parse(target!, current.href);
    if (next === null || next.host !== current.host)
      throw new LayerswarmError('origin-denied', `${current.host} continues its list at another host`);
    // registries behind a proxy that ends TLS write http:// here
    next.protocol = current.protocol;
    return next;
  }
  return undefined;
}
