import { X509Certificate } from 'node:crypto';
import { parse } from 'yaml';
import { z } from 'zod';
import { LayerswarmError } from '../../errors.ts';
import { parseDuration } from '../../quantity.ts';
import { CERTIFICATE } from '../config/config-files.ts';
import { mirrorText, quantity, registryHost, registryUrl, repositoryPattern } from '../config/setting-types.ts';

/** What a charter says all nodes read from. What it leaves out is each node's own affair. */
export interface CharterRules {
  readonly origin: string | undefined;
  /** PEM certificates, beside those of the system. */
  readonly originCa: string | undefined;
  /** In place of the nodes' own; undefined leaves them theirs. */
  readonly mirrors: readonly CharterMirror[] | undefined;
  /** Beside the nodes' own. */
  readonly exclude: readonly string[];
  /** In ms. */
  readonly tags: { readonly ttl?: number | undefined; readonly staleFor?: number | undefined; readonly witnesses?: number | undefined };
  /** Of the program, as the operator wants it on every node. */
  readonly version: string | undefined;
}

export interface CharterMirror {
  readonly name: string;
  /** undefined: the origin answers for it. */
  readonly url?: string | undefined;
  /** PEM certificates. */
  readonly ca?: string | undefined;
}

const certificates = z.string().max(32_768).refine(areCertificates, 'expected PEM certificates');
const duration = quantity(parseDuration);

const schema = z.strictObject({
  origin: registryUrl.optional(),
  originCa: certificates.optional(),
  mirrors: z
    .array(
      z.union([
        mirrorText,
        z.strictObject({ name: registryHost.transform((name) => name.toLowerCase()), url: registryUrl, ca: certificates.optional() }),
      ]),
    )
    .max(64)
    .optional(),
  exclude: z.array(repositoryPattern).max(1000).default([]),
  tags: z
    .strictObject({ ttl: duration.optional(), staleFor: duration.optional(), witnesses: z.int().min(1).max(32).optional() })
    .default({}),
  version: z
    .string()
    .regex(/^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.-]{1,40})?$/)
    .optional(),
});

export const NO_RULES: CharterRules = {
  origin: undefined,
  originCa: undefined,
  mirrors: undefined,
  exclude: [],
  tags: {},
  version: undefined,
};

/** Reads the content of a charter, in YAML. @throws `config-invalid` with key, expected and received */
export function parseCharterRules(content: string): CharterRules {
  const result = schema.safeParse(parseYaml(content) ?? {});
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new LayerswarmError(
      'config-invalid',
      `charter: ${issue?.code === 'unrecognized_keys' ? `expected origin, originCa, mirrors, exclude, tags or version, received ${issue.keys.join(', ')}` : `expected another value of ${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? ''}`}`,
    );
  }
  const { origin, originCa, mirrors, version, ...rest } = result.data;
  const names = mirrors?.map(({ name }) => name) ?? [];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new LayerswarmError('config-invalid', `charter: expected each mirror once, received ${twice} twice`);
  return { ...rest, origin, originCa, mirrors, version };
}

function parseYaml(content: string): unknown {
  try {
    return parse(content, { maxAliasCount: 0 }) as unknown;
  } catch (cause) {
    throw new LayerswarmError(
      'config-invalid',
      `charter: expected YAML, received something else: ${(cause as Error).message.split('\n')[0]}`,
      { cause },
    );
  }
}

function areCertificates(text: string): boolean {
  const found = text.match(CERTIFICATE) ?? [];
  try {
    return found.length > 0 && found.every((pem) => new X509Certificate(pem).raw.length > 0);
  } catch {
    return false;
  }
}
