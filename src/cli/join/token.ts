import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { LayerswarmError } from '../../errors.ts';

const PREFIX = 'lsw1.';
/** A key, a few addresses and a chain of certificates are far below. */
const MAX_TOKEN_CHARACTERS = 64 << 10;

const schema = z.object({
  key: z.base64().max(8192),
  addresses: z.array(z.string().max(300)).min(1).max(16),
  origin: z
    .string()
    .max(300)
    .regex(/^https?:\/\/[^/@\s]+$/)
    .optional(),
  originCa: z.string().max(32_768).optional(),
  charterKey: z.string().max(128).optional(),
  expires: z.int().min(0).optional(),
});

/** All that a host needs to become a member. Whoever has it, has the swarm's key. */
export interface JoinToken {
  /** What the key file holds, byte by byte. */
  readonly key: Buffer;
  /** Members, as multiaddrs. */
  readonly addresses: readonly string[];
  /** `http(s)://host:port`; undefined where members tell it. */
  readonly origin?: string | undefined;
  /** PEM certificates. */
  readonly originCa?: string | undefined;
  /** The operator's public key, where the swarm has a charter. */
  readonly charterKey?: string | undefined;
  /** Seconds since 1970 after which `join` refuses it; undefined for never. */
  readonly expires?: number | undefined;
}

export function encodeToken({ key, ...rest }: JoinToken): string {
  const body = Buffer.from(JSON.stringify({ key: key.toString('base64'), ...rest })).toString('base64url');
  return `${PREFIX}${body}.${seal(body, key).toString('base64url')}`;
}

/** @param now milliseconds since 1970. @throws `usage`, with nothing of the token in the message */
export function decodeToken(text: string, now: number): JoinToken {
  const [body = '', mark = ''] = text.trim().slice(PREFIX.length).split('.');
  const parsed = text.startsWith(PREFIX) && text.length <= MAX_TOKEN_CHARACTERS ? schema.safeParse(parseJson(body)) : undefined;
  if (parsed?.success !== true)
    throw new LayerswarmError('usage', 'expected a token of "layerswarm token", received something else: copy the whole line');
  const token = { ...parsed.data, key: Buffer.from(parsed.data.key, 'base64') };
  const [expected, received] = [seal(body, token.key), Buffer.from(mark, 'base64url')];
  if (expected.length !== received.length || !timingSafeEqual(expected, received))
    throw new LayerswarmError('usage', 'expected a whole token, received one that was changed or cut: copy the whole line');
  if (token.expires !== undefined && token.expires * 1000 <= now) {
    throw new LayerswarmError(
      'usage',
      `expected a token that is still good, received one that ended at ${new Date(token.expires * 1000).toISOString()}: make a new one with "layerswarm token" on a member`,
    );
  }
  return token;
}

/** So that its time cannot be changed without the key, and half a token is none. */
function seal(body: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(`layerswarm join token 1\0${body}`).digest().subarray(0, 16);
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(Buffer.from(body, 'base64url').toString());
  } catch {
    return undefined; // the schema says what was expected
  }
}
