import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ImageSource } from '../../copy/image-source.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import { Digest } from '../../oci/digest.ts';
import type { RawManifest } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { hostPlatform } from '../../oci/platform.ts';
import { firstBytes } from './archive-files.ts';
import { buildManifest, once, onlyManifest } from './built-image.ts';
import { fileRange, statOf } from './source-files.ts';
import { compressionOf, decompressed, type TarCompression, tarHeaders } from './tar-entries.ts';

const LAYER_TYPES = { none: MediaType.ociLayer, gzip: MediaType.ociLayerGzip, zstd: MediaType.ociLayerZstd } as const;
/** A layer of this size unpacked is a mistake or an attack. */
const MAX_UNPACKED_BYTES = 1 << 30;
const MAX_UNPACKED_FACTOR = 2000;
/** Images carry a time; a fixed one gives the same image for the same file. */
const CREATED = '1970-01-01T00:00:00Z';

/** The tarball of a root file system as an image of one layer, which is the file as it is: gzip, zstd, or not compressed. */
export class RootfsSource implements ImageSource {
  readonly name: string;
  readonly #path: string;
  readonly #root: RawManifest;
  readonly #config: Buffer;
  readonly #layer: Descriptor;

  private constructor(path: string, root: RawManifest, config: Buffer, layer: Descriptor) {
    this.name = path;
    this.#path = path;
    this.#root = root;
    this.#config = config;
    this.#layer = layer;
  }

  /** Reads the file once. @throws `not-found`, `manifest-invalid` when it is no tarball, `too-large`, `unsupported` */
  static async open(path: string, platform: Platform = hostPlatform(), signal?: AbortSignal): Promise<RootfsSource> {
    const stat = await statOf(path);
    if (!stat.isFile()) throw new LayerswarmError('usage', `expected a tarball, received ${path}, which is no regular file`);
    const compression = compressionOf(await firstBytes(path));
    const { digest, size, diffId, shell } = await inspect(path, compression, signal);
    const { os, architecture, variant } = platform;
    const config = Buffer.from(
      JSON.stringify({
        created: CREATED,
        architecture,
        ...(variant === undefined ? {} : { variant }),
        os,
        config: shell ? { Cmd: ['/bin/sh'] } : {},
        rootfs: { type: 'layers', diff_ids: [diffId.toString()] },
        history: [{ created: CREATED, created_by: 'layerswarm seed tar:' }],
      }),
    );
    const layer = { mediaType: LAYER_TYPES[compression], digest, size };
    return new RootfsSource(path, buildManifest(config, [layer]), config, layer);
  }

  root(): Promise<RawManifest> {
    return Promise.resolve(this.#root);
  }

  async manifest(digest: Digest): Promise<RawManifest> {
    return onlyManifest(this.#root, digest);
  }

  blob({ digest }: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    if (digest.equals(this.#layer.digest)) return wholeFile(this.#path, this.#layer.size, signal);
    if (digest.equals(Digest.of(this.#config))) return once(this.#config);
    throw new LayerswarmError('not-found', `${this.name} has no blob ${digest.toString()}`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Inspected {
  readonly digest: Digest;
  readonly size: number;
  readonly diffId: Digest;
  /** It holds a shell at the usual place. */
  readonly shell: boolean;
}

/** One pass: the digests of the file and of the tar in it, and whether that is one. */
async function inspect(path: string, compression: TarCompression, signal: AbortSignal | undefined): Promise<Inspected> {
  const outer = createHash('sha256');
  const inner = createHash('sha256');
  let size = 0;
  const file = hashed(createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, outer, (total) => {
    size = total;
  });
  const tar = hashed(decompressed(file, compression), inner, (total) => {
    if (total > Math.max(MAX_UNPACKED_BYTES, size * MAX_UNPACKED_FACTOR))
      throw new LayerswarmError('too-large', `${path} unpacks to more than ${MAX_UNPACKED_FACTOR} times its size`);
  });
  let shell = false;
  for await (const { name, type } of tarHeaders(tar, path, signal)) {
    if (name.split('/').includes('..'))
      throw new LayerswarmError(
        'manifest-invalid',
        `${path} has an entry ${JSON.stringify(name.slice(0, 200))} that lies outside of the root file system`,
      );
    shell ||= /^(?:\.?\/)?(?:usr\/)?bin\/sh$/.test(name) && type !== 'directory';
  }
  return { digest: Digest.fromHash(outer), size, diffId: Digest.fromHash(inner), shell };
}

/** Opened when it is first read, and closed however that ends: a stream that nobody reads yet would have nobody to tell that it was aborted. */
async function* wholeFile(path: string, size: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  await using file = await open(path, 'r');
  yield* fileRange(file, 0, size, signal);
}

async function* hashed(bytes: AsyncIterable<Buffer>, hash: Hash, tell: (total: number) => void): AsyncGenerator<Buffer, void, undefined> {
  let total = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    total += chunk.length;
    tell(total);
    yield chunk;
  }
}
