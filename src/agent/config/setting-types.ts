import { z } from 'zod';
import { isEmbeddedRegistry } from '../../origin/origin-name.ts';
import { parseDuration, parseSize } from '../../quantity.ts';

/** What a setting may be, and how it is written. */

/** What a message says was expected, per setting. */
export const expectations = z.registry<{ expected: string }>();

export function setting<S extends z.ZodType>(schema: S, expected: string, description: string): S {
  const described = schema.describe(description);
  expectations.add(described, { expected });
  return described;
}

/** What a timer of Node takes. */
const MAX_INTERVAL_MS = 2 ** 31 - 1;

export function parseInterval(text: string | number): number | undefined {
  const ms = parseDuration(text);
  return ms !== undefined && ms >= 1000 && ms <= MAX_INTERVAL_MS ? ms : undefined;
}

export function quantity(parse: (text: string | number) => number | undefined, message = 'not a quantity') {
  return z.union([z.string(), z.number()]).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** A listening address. `host` has no brackets; port 0 picks a free one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

export const hostPort = z
  .string()
  .regex(HOST_PORT)
  .transform((text, context): HostPort => {
    const match = HOST_PORT.exec(text)!;
    const port = Number(match[3]);
    if (port > 65_535) context.addIssue({ code: 'custom', message: 'not a port' });
    return { host: match[1] ?? match[2]!, port };
  });
export const optionalHostPort = z.union([z.literal('off'), hostPort]);

/** Storage limits may follow the disk: a share of the file system that holds the data directory. */
export type StoreLimit = { readonly bytes: number } | { readonly percent: number };

export const storeLimit = z.union([z.string(), z.number()]).transform((text, context): StoreLimit => {
  const percent = /^(\d{1,3})\s*%$/.exec(String(text).trim());
  if (percent !== null && Number(percent[1]) >= 1 && Number(percent[1]) <= 100) return { percent: Number(percent[1]) };
  const bytes = percent === null ? parseSize(text) : undefined;
  if (bytes !== undefined) return { bytes };
  context.addIssue({ code: 'custom', message: 'not a size' });
  return z.NEVER;
});

export const multiaddr = z.string().regex(/^(\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/[^/\s]+)(\/tcp\/\d{1,5})?(\/p2p\/[A-Za-z0-9]+)?$/);
/** A multiaddr, `HOST:PORT`, `[IPv6]:PORT`, or `dns:HOST[:PORT]`. */
export const memberAddress = z.union([multiaddr, z.string().regex(HOST_PORT), z.string().regex(/^dns:[A-Za-z0-9._-]+(:\d{1,5})?$/)]);
export const file = z.string().min(1);
/** Not as the origins of nodes are called. */
export const registryHost = z
  .string()
  .regex(/^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-fA-F:]+\](:\d{1,5})?$/)
  .refine((host) => !isEmbeddedRegistry(host));
export const repositoryPattern = z.string().regex(/^[a-z0-9*][a-z0-9._/:*-]*$/);

export const originUrl = z.string().transform((text, context) => {
  if (text === 'auto' || text === 'embedded') return text;
  const url = URL.parse(text);
  if (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    /^(?:\/[A-Za-z0-9._~-]+)*\/?$/.test(url.pathname) &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === '' &&
    !isEmbeddedRegistry(url.hostname)
  )
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  context.addIssue({ code: 'custom', message: 'not an origin' });
  return z.NEVER;
});

/** A registry that is mirrored beside the origin, from an upstream of its own; without `url` the origin answers for it. */
export interface MirrorSetting {
  /** As in references, lower case. */
  readonly name: string;
  readonly url?: string | undefined;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly ca?: string | undefined;
}

export const registryUrl = originUrl.refine((url) => url !== 'auto' && url !== 'embedded');

/** `docker.io`, or `docker.io=https://registry-1.docker.io`. */
export const mirrorText = z.string().transform((text, context): MirrorSetting => {
  const equals = text.indexOf('=');
  const name = registryHost.safeParse(equals === -1 ? text : text.slice(0, equals));
  const url = equals === -1 ? undefined : registryUrl.safeParse(text.slice(equals + 1));
  if (name.success && url?.success !== false) return { name: name.data.toLowerCase(), ...(url === undefined ? {} : { url: url.data }) };
  context.addIssue({ code: 'custom', message: 'not a mirror' });
  return z.NEVER;
});

export const mirrorObject = z.strictObject({
  name: registryHost.transform((name) => name.toLowerCase()).describe('As references have it.'),
  url: registryUrl.describe('Where this node reads it.'),
  username: z
    .string()
    .min(1)
    .optional()
    .describe('User name there. Without one, the credentials of ~/.docker/config.json and its helpers are used.'),
  passwordFile: file.optional().describe('File that holds the password or token for username.'),
  ca: file.optional().describe('CA certificates for it, beside those of the system.'),
});

/** Of a node, and of a zone. */
export const shortName = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/);
