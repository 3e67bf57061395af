import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { pack } from 'tar-stream';

/** OCI image specification, descriptor.md, as JSON. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
  annotations?: Record<string, string>;
  artifactType?: string;
}

export const MEDIA_TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

export type Compression = 'none' | 'gzip' | 'zstd';

export interface Layer {
  readonly descriptor: Descriptor;
  /** The digest of the uncompressed tar. */
  readonly diffId: string;
}

export interface ImageOptions {
  readonly layers: readonly Layer[];
  readonly platform?: { os: string; architecture: string; variant?: string };
  readonly command?: readonly string[];
  readonly tag?: string;
}

/** OCI image specification, image-layout.md: what skopeo and umoci read as `oci:DIR:TAG`. */
export class OciLayout {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async create(dir: string): Promise<OciLayout> {
    await mkdir(join(dir, 'blobs/sha256'), { recursive: true });
    await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [] }));
    return new OciLayout(dir);
  }

  static open(dir: string): OciLayout {
    return new OciLayout(dir);
  }

  blobPath(digest: string): string {
    return join(this.dir, 'blobs', digest.replace(':', '/'));
  }

  async addBlob(bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await writeFile(this.blobPath(digest), bytes);
    return { mediaType, digest, size: bytes.byteLength };
  }

  /** Moves the file into the layout. */
  async addBlobFile(file: string, mediaType: string): Promise<Descriptor> {
    const digest = await fileDigest(file);
    const { size } = await stat(file);
    await rename(file, this.blobPath(digest));
    return { mediaType, digest, size };
  }

  /** A layer of text files; two layers of the same files are the same blob. */
  async addLayer(files: Readonly<Record<string, string | Uint8Array>>, compression: Compression = 'gzip'): Promise<Layer> {
    const tar = await packFiles(files);
    const descriptor = await this.addBlob(await compress(tar, compression), MEDIA_TYPE[compression]);
    return { descriptor, diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}` };
  }

  async addImage({ layers, platform = hostPlatform(), command, tag }: ImageOptions): Promise<Descriptor> {
    const config = {
      ...platform,
      config: command === undefined ? {} : { Cmd: command },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    };
    const configDescriptor = await this.addBlob(Buffer.from(JSON.stringify(config)), MEDIA_TYPE.config);
    const descriptor = await this.addManifest({ config: configDescriptor, layers: layers.map((layer) => layer.descriptor) }, tag);
    return { ...descriptor, platform };
  }

  async addIndex(manifests: readonly Descriptor[], tag?: string): Promise<Descriptor> {
    return this.#addJson({ schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests }, MEDIA_TYPE.index, tag);
  }

  /** Any manifest of the image kind, e.g. an artifact with a `subject`. */
  async addManifest(
    content: {
      config: Descriptor;
      layers: Descriptor[];
      artifactType?: string;
      subject?: Descriptor;
      annotations?: Record<string, string>;
    },
    tag?: string,
  ): Promise<Descriptor> {
    return this.#addJson({ schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, ...content }, MEDIA_TYPE.manifest, tag);
  }

  async #addJson(content: object, mediaType: string, tag: string | undefined): Promise<Descriptor> {
    const descriptor = await this.addBlob(Buffer.from(JSON.stringify(content)), mediaType);
    if (tag !== undefined) {
      const index = await this.#index();
      index.manifests.push({ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } });
      await writeFile(join(this.dir, 'index.json'), JSON.stringify(index));
    }
    return descriptor;
  }

  async #index(): Promise<{ manifests: Descriptor[] }> {
    return JSON.parse(await readFile(join(this.dir, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  }

  async tagged(tag: string): Promise<Descriptor> {
    const found = (await this.#index()).manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag);
    if (found === undefined) throw new Error(`no ${tag} in ${this.dir}`);
    return found;
  }

  /** Everything below a manifest, children first, each digest once; the manifest itself comes last. */
  async closure(root: Descriptor): Promise<{ blobs: Descriptor[]; manifests: Descriptor[] }> {
    const blobs = new Map<string, Descriptor>();
    const manifests = new Map<string, Descriptor>();
    const visit = async (descriptor: Descriptor): Promise<void> => {
      const content = JSON.parse(await readFile(this.blobPath(descriptor.digest), 'utf8')) as {
        config?: Descriptor;
        layers?: Descriptor[];
        manifests?: Descriptor[];
      };
      for (const child of content.manifests ?? []) await visit(child);
      for (const blob of [...(content.config === undefined ? [] : [content.config]), ...(content.layers ?? [])])
        blobs.set(blob.digest, blob);
      manifests.set(descriptor.digest, descriptor);
    };
    await visit(root);
    return { blobs: [...blobs.values()], manifests: [...manifests.values()] };
  }
}

export async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

export function hostPlatform(): { os: string; architecture: string } {
  return { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
}

async function packFiles(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mtime: new Date(0) }, Buffer.from(content));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function compress(bytes: Uint8Array, compression: Compression): Promise<Uint8Array> {
  if (compression === 'none') return bytes;
  return compression === 'gzip' ? promisify(gzip)(bytes) : promisify(zstdCompress)(bytes);
}
