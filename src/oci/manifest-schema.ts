import { z } from 'zod';
import { Digest } from './digest.ts';
import { isMediaType } from './media-type.ts';

/** Layers of an image, or children of an index. The size limit of a manifest would allow some 30,000. */
export const MAX_DESCRIPTORS = 10_000;
const MAX_URLS = 64;

const mediaType = z.string().refine(isMediaType, 'expected a media type');

const digest = z.string().transform((text, context) => {
  const parsed = Digest.tryParse(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'expected a sha256 or sha512 digest' });
  return z.NEVER;
});

// image-spec, annotations.md: keys are non-empty, values strings
const annotations = z.record(z.string().min(1), z.string());

/** An empty type counts as a missing one: distribution-spec 1.1, "Listing Referrers". */
const artifactType = z.literal('').transform(() => undefined).or(mediaType);

/** image-spec, image-index.md, "platform". Empty values occur in what common tools write. */
const platform = z.object({
  os: z.string(),
  architecture: z.string(),
  variant: z.string().exactOptional(),
  'os.version': z.string().exactOptional(),
  'os.features': z.array(z.string()).exactOptional(),
});

/** image-spec, descriptor.md. */
const descriptor = z.object({
  mediaType,
  digest,
  size: z.int().min(0),
  annotations: annotations.exactOptional(),
  artifactType: artifactType.optional(),
  platform: platform.exactOptional(),
  urls: z.array(z.string().refine((text) => URL.canParse(text), 'expected a URI')).max(MAX_URLS).exactOptional(),
  data: z.base64().exactOptional(),
}).refine(({ data, digest, size }) => {
  if (data === undefined) return true;
  const content = Buffer.from(data, 'base64');
  return content.length === size && Digest.of(content, digest.algorithm).equals(digest);
}, 'expected data that has the size and digest of its descriptor').transform((parsed) => {
  const { data, artifactType, ...rest } = parsed;
  void data; // proven equal to the content, and so of no further use
  return artifactType === undefined ? rest : { ...rest, artifactType };
});

const descriptors = z.array(descriptor).max(MAX_DESCRIPTORS);

const common = {
  schemaVersion: z.literal(2),
  mediaType: mediaType.exactOptional(),
  artifactType: artifactType.optional(),
  subject: descriptor.exactOptional(),
  annotations: annotations.exactOptional(),
};

// A document that could be read as either kind is refused: distribution advisory GHSA-mc8v-mgrf-8f4m (CVE-2021-41190).
const absent = z.undefined({ error: 'is not allowed here: the manifest could be read as another kind' }).optional();

/** image-spec, manifest.md; Docker's image manifest version 2, schema 2. */
export const imageSchema = z.object({ ...common, config: descriptor, layers: descriptors, manifests: absent, fsLayers: absent });

/** image-spec, image-index.md; Docker's manifest list. */
export const indexSchema = z.object({ ...common, manifests: descriptors, config: absent, layers: absent, fsLayers: absent });
