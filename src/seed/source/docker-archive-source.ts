import { z } from 'zod';
import type { ImageSource } from '../../copy/image-source.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, type RawManifest } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { imageConfig, MAX_CONFIG_BYTES, MAX_LAYERS } from '../image-layers.ts';
import { buildManifest, measure, once, onlyManifest } from './built-image.ts';
import type { SourceFiles } from './source-files.ts';

const MAX_LISTED = 10;

const path = z.string().min(1).max(1000);
const manifestFile = z
  .array(z.object({ Config: path, RepoTags: z.array(z.string()).nullish(), Layers: z.array(path).max(MAX_LAYERS) }))
  .min(1)
  .max(1000);
type SavedImage = z.infer<typeof manifestFile>[number];

/**
 * What `docker save` wrote before version 25: `manifest.json`, the image's own configuration, and each layer as an uncompressed
 * tar. No compressor's output can be known from it, so the layers stay uncompressed: their digests are the diff ids that the
 * configuration names, and the image has the same id and the same digests wherever and how often it is seeded.
 */
export class DockerArchiveSource implements ImageSource {
  readonly name: string;
  readonly suggestedName: string | undefined;
  readonly #files: SourceFiles;
  readonly #root: RawManifest;
  readonly #config: Buffer;
  readonly #layers: ReadonlyMap<string, string>;

  private constructor(parts: {
    name: string;
    suggestedName: string | undefined;
    files: SourceFiles;
    root: RawManifest;
    config: Buffer;
    layers: ReadonlyMap<string, string>;
  }) {
    this.name = parts.name;
    this.suggestedName = parts.suggestedName;
    this.#files = parts.files;
    this.#root = parts.root;
    this.#config = parts.config;
    this.#layers = parts.layers;
  }

  /** @param wanted `NAME:TAG`; needed where the archive holds more than one image. @throws `manifest-invalid`, `not-found`, `usage` */
  static async open(files: SourceFiles, wanted?: string, signal?: AbortSignal): Promise<DockerArchiveSource> {
    const saved = choose(
      files.name,
      parse(manifestFile, await files.read('manifest.json', MAX_MANIFEST_BYTES), `${files.name}: manifest.json`),
      wanted,
    );
    const config = await files.read(saved.Config, MAX_CONFIG_BYTES);
    checkConfigDigest(files.name, saved.Config, config);
    const diffIds = parse(imageConfig, config, `${files.name}: ${saved.Config}`).rootfs.diff_ids.map((text) => Digest.parse(text));
    if (diffIds.length !== saved.Layers.length)
      throw new LayerswarmError(
        'manifest-invalid',
        `${files.name} lists ${saved.Layers.length} layers, its configuration ${diffIds.length}`,
      );
    const descriptors: Descriptor[] = [];
    const layers = new Map<string, string>();
    for (const [i, diffId] of diffIds.entries()) {
      const layer = await describe(files, saved.Layers[i]!, diffId, signal);
      descriptors.push(layer);
      layers.set(layer.digest.toString(), saved.Layers[i]!);
    }
    const root = buildManifest(config, descriptors);
    return new DockerArchiveSource({
      name: `${files.name}${wanted === undefined ? '' : `:${wanted}`}`,
      suggestedName: saved.RepoTags?.[0],
      files,
      root,
      config,
      layers,
    });
  }

  root(): Promise<RawManifest> {
    return Promise.resolve(this.#root);
  }

  async manifest(digest: Digest): Promise<RawManifest> {
    return onlyManifest(this.#root, digest);
  }

  blob({ digest }: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const layer = this.#layers.get(digest.toString());
    return layer === undefined ? once(this.#configOf(digest)) : this.#files.stream(layer, signal);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  #configOf(digest: Digest): Buffer {
    if (Digest.of(this.#config).equals(digest)) return this.#config;
    throw new LayerswarmError('not-found', `${this.name} has no blob ${digest.toString()}`);
  }
}

/** A layer is the tar that its diff id names, checked when it is imported; podman may have saved it compressed. */
async function describe(files: SourceFiles, path: string, diffId: Digest, signal: AbortSignal | undefined): Promise<Descriptor> {
  const size = await files.size(path);
  if (size === undefined)
    throw new LayerswarmError(
      'manifest-invalid',
      `${files.name} lists the layer ${JSON.stringify(path.slice(0, 200))} and does not hold it`,
    );
  const gzip = await beginsWithGzip(files.stream(path, signal));
  if (!gzip) return { mediaType: MediaType.ociLayer, digest: diffId, size };
  return { mediaType: MediaType.ociLayerGzip, ...(await measure(files.stream(path, signal))) };
}

async function beginsWithGzip(bytes: AsyncIterable<Buffer>): Promise<boolean> {
  for await (const chunk of bytes) return chunk[0] === 0x1f && chunk[1] === 0x8b;
  return false;
}

function choose(archive: string, images: readonly SavedImage[], wanted: string | undefined): SavedImage {
  const matching = wanted === undefined ? images : images.filter(({ RepoTags }) => RepoTags?.includes(wanted) === true);
  const [only, other] = matching;
  if (only !== undefined && other === undefined) return only;
  const there = images
    .flatMap(({ RepoTags }) => RepoTags ?? [])
    .slice(0, MAX_LISTED)
    .map((name) => JSON.stringify(name.slice(0, 200)))
    .join(', ');
  if (only === undefined)
    throw new LayerswarmError('not-found', `${archive} holds no image ${JSON.stringify(wanted)}; it has ${there || 'no names'}`);
  throw new LayerswarmError(
    'usage',
    `${archive} holds ${images.length} images: say which, as docker-archive:${archive}:NAME:TAG; it has ${there}`,
  );
}

/** `<digest>.json`, or `blobs/sha256/<digest>`: the name says what the bytes must be. */
function checkConfigDigest(archive: string, path: string, config: Buffer): void {
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (named !== undefined && named !== Digest.of(config).hex)
    throw new LayerswarmError('digest-mismatch', `${archive}: the configuration ${named} has other bytes than its name says`);
}

function parse<T>(schema: z.ZodType<T>, bytes: Buffer, what: string): T {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new LayerswarmError('manifest-invalid', `${what} is not JSON`, { cause: error });
  }
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  throw new LayerswarmError('manifest-invalid', `${what} is not as docker save writes it: ${result.error.issues[0]?.path.join('.') ?? ''}`);
}
