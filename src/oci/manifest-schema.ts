import { z } from 'zod';
import { Digest } from './digest.ts';
import { isMediaType, mediaTypeEssence } from './media-type.ts';

/** Layers of an image, or children of an index. The size limit of a manifest would allow some 30,000. */
const MAX_DESCRIPTORS = 10_000;
const MAX_URLS = 64;

/** What an issue says, in `params`, of a document that must not even be passed on. */
export const HARMFUL = { harmful: true } as const;

// Registries store, and clients pull, what the specifications do not allow: of a descriptor only what must be followed is demanded,
// which is where the content is and how large; anything else that is malformed counts as not there.

/** Lower case, without parameters; empty where there is none. */
const mediaType = z
  .string()
  .optional()
  .catch(undefined)
  .transform((value) => {
    const essence = mediaTypeEssence(value);
    return essence !== undefined && isMediaType(essence) ? essence : '';
  });

const digest = z.string().transform((text, context) => {
  const parsed = Digest.tryParse(text);
  if (parsed !== undefined) return parsed;
  const isPath = /[/\\\0]|\.\./.test(text);
  context.addIssue({
    code: 'custom',
    message: isPath ? 'expected a digest, received a path' : 'expected a sha256 or sha512 digest',
    ...(isPath ? { params: HARMFUL } : {}),
  });
  return z.NEVER;
});

const text = z.string().min(1).optional().catch(undefined);
const annotations = z.record(z.string(), z.string()).optional().catch(undefined);

/** image-spec, image-index.md, "platform". One without a name is none. */
const platform = z
  .object({
    os: text,
    architecture: text,
    variant: text,
    'os.version': text,
    'os.features': z.array(z.string()).optional().catch(undefined),
  })
  .transform(({ os, architecture, ...rest }) =>
    os === undefined && architecture === undefined ? undefined : withoutAbsent({ os: os ?? '', architecture: architecture ?? '', ...rest }),
  )
  .optional()
  .catch(undefined);

/** image-spec, descriptor.md. */
const descriptor = z
  .object({
    mediaType,
    digest,
    size: z.int().min(0),
    annotations,
    artifactType: text,
    platform,
    urls: z
      .array(z.string())
      .transform((urls) => urls.slice(0, MAX_URLS))
      .optional()
      .catch(undefined),
  })
  .transform(withoutAbsent);

const descriptors = z.array(descriptor).max(MAX_DESCRIPTORS, { error: () => `expected at most ${MAX_DESCRIPTORS} descriptors` });

const common = { artifactType: text, subject: descriptor.optional().catch(undefined), annotations };

// A document that could be read as either kind is not followed: distribution advisory GHSA-mc8v-mgrf-8f4m (CVE-2021-41190).
const absent = z
  .null({ error: 'is not allowed here: the manifest could be read as another kind' })
  .optional()
  .transform(() => undefined);

/** image-spec, manifest.md; Docker's image manifest version 2, schema 2. */
export const imageSchema = z
  .object({
    ...common,
    config: descriptor,
    layers: descriptors.nullish().transform((layers) => layers ?? []),
    manifests: absent,
    fsLayers: absent,
  })
  .transform(withoutAbsent);

/** image-spec, image-index.md; Docker's manifest list. */
export const indexSchema = z
  .object({ ...common, manifests: descriptors, config: absent, layers: absent, fsLayers: absent })
  .transform(withoutAbsent);

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function withoutAbsent<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<T>;
}
