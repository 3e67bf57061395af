import { z } from 'zod';
import type { ImageSource } from '../../copy/image-source.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, parseManifest, type RawManifest, rawManifest } from '../../oci/manifest.ts';
import { isManifestMediaType, MediaType } from '../../oci/media-type.ts';
import type { SourceFiles } from './source-files.ts';

/** image-spec, annotations.md; and containerd's, which holds the whole reference. */
const REF_NAME = 'org.opencontainers.image.ref.name';
const IMAGE_NAME = 'io.containerd.image.name';
const MAX_LISTED = 10;

const layoutVersion = z.object({ imageLayoutVersion: z.literal('1.0.0') });

/** An OCI image layout (image-spec, image-layout.md), in a folder or an archive. */
export class OciLayoutSource implements ImageSource {
  readonly name: string;
  readonly #files: SourceFiles;
  readonly #root: Descriptor;

  private constructor(name: string, files: SourceFiles, root: Descriptor) {
    this.name = name;
    this.#files = files;
    this.#root = root;
  }

  /**
   * @param wanted the tag or name to take; needed where the layout holds more than one image
   * @throws `manifest-invalid` when it is no layout, `not-found` with the names that are there
   */
  static async open(files: SourceFiles, wanted?: string): Promise<OciLayoutSource> {
    const version = layoutVersion.safeParse(await readJson(files, 'oci-layout'));
    if (!version.success) throw new LayerswarmError('manifest-invalid', `${files.name} is no OCI image layout of version 1.0.0`);
    const index = parseManifest(await files.read('index.json', MAX_MANIFEST_BYTES), MediaType.ociIndex);
    if (index.kind !== 'index') throw new LayerswarmError('manifest-invalid', `${files.name}: index.json is no index`);
    const images = index.manifests.filter(({ mediaType }) => isManifestMediaType(mediaType));
    const root = choose(files.name, images, wanted);
    return new OciLayoutSource(`${files.name}${wanted === undefined ? '' : `:${wanted}`}`, files, root);
  }

  /** What the layout itself calls the image; mostly it says the tag alone, which is no name. */
  get suggestedName(): string | undefined {
    const reference = this.#root.annotations?.[REF_NAME];
    return this.#root.annotations?.[IMAGE_NAME] ?? (reference?.includes(':') === true ? reference : undefined);
  }

  root(): Promise<RawManifest> {
    return this.manifest(this.#root.digest);
  }

  async manifest(digest: Digest): Promise<RawManifest> {
    return rawManifest(await this.#files.read(blobPath(digest), MAX_MANIFEST_BYTES), { expected: digest }).raw;
  }

  blob({ digest }: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#files.stream(blobPath(digest), signal);
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}

function choose(layout: string, images: readonly Descriptor[], wanted: string | undefined): Descriptor {
  const names = ({ annotations }: Descriptor): string[] =>
    [annotations?.[REF_NAME], annotations?.[IMAGE_NAME]].filter((name) => name !== undefined);
  const matching =
    wanted === undefined
      ? images
      : images.filter((image) => image.digest.toString() === wanted || names(image).some((name) => isSameName(name, wanted)));
  const distinct = new Map(matching.map((image) => [image.digest.toString(), image]));
  const [only] = distinct.values();
  if (only !== undefined && distinct.size === 1) return only;
  const there = images
    .flatMap((image) => names(image)[0] ?? image.digest.toString())
    .slice(0, MAX_LISTED)
    .map((name) => JSON.stringify(name.slice(0, 100)))
    .join(', ');
  if (only === undefined)
    throw new LayerswarmError(
      'not-found',
      `${layout} holds no image${wanted === undefined ? '' : ` ${JSON.stringify(wanted)}`}; it has ${there || 'none'}`,
    );
  throw new LayerswarmError('usage', `${layout} holds ${distinct.size} images: say which, as ${layout}:NAME; it has ${there}`);
}

/** Docker writes `docker.io/team/app:1` for what people call `team/app:1`. */
function isSameName(name: string, wanted: string): boolean {
  return (
    name === wanted ||
    (name.includes(':') && wanted.includes(':') && name === `docker.io/${wanted.includes('/') ? '' : 'library/'}${wanted}`)
  );
}

export function blobPath(digest: Digest): string {
  return `blobs/${digest.algorithm}/${digest.hex}`;
}

async function readJson(files: SourceFiles, path: string): Promise<unknown> {
  if ((await files.size(path)) === undefined) return undefined;
  try {
    return JSON.parse((await files.read(path, MAX_MANIFEST_BYTES)).toString('utf8'));
  } catch (error) {
    if (error instanceof LayerswarmError) throw error;
    return undefined;
  }
}
