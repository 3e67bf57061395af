import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip, constants } from 'node:zlib';
import { pack } from 'tar-stream';
import { Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { rawManifest, type RawManifest } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { hostPlatform } from '../../oci/platform.ts';
import { HOME, PROGRAM } from '../../program-files.ts';

export interface DemoBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

export interface DemoImage {
  readonly manifest: RawManifest;
  readonly blobs: readonly DemoBlob[];
}

interface File {
  readonly name: string;
  readonly path: string;
  readonly executable: boolean;
}

/**
 * An image of real files: Node, the packages that layerswarm uses, and the program itself. It is there to be pulled, not to be run.
 * The same files give the same digests.
 */
export async function makeDemoImage(signal: AbortSignal): Promise<DemoImage> {
  const program = fileURLToPath(PROGRAM);
  const sources = [
    [{ name: 'usr/bin/node', path: process.execPath, executable: true }],
    await dependencies(),
    [
      ...(await filesUnder(program, `opt/layerswarm/${basename(program)}`)),
      { name: 'opt/layerswarm/package.json', path: join(HOME, 'package.json'), executable: false },
    ],
  ];
  const layers: (DemoBlob & { readonly diffId: string })[] = [];
  for (const files of sources) {
    signal.throwIfAborted();
    layers.push(await makeLayer(files));
  }
  const { os, architecture } = hostPlatform();
  const config = jsonBlob(MediaType.ociConfig, {
    os,
    architecture,
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = jsonBlob(MediaType.ociManifest, {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  return { manifest: rawManifest(manifest.bytes, { mediaType: MediaType.ociManifest }).raw, blobs: [config, ...layers] };
}

async function dependencies(): Promise<File[]> {
  const { dependencies: names } = JSON.parse(await readFile(join(HOME, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const files = await Promise.all(
    Object.keys(names).map(async (name) => {
      const manifest = findPackageJSON(name, import.meta.url);
      return manifest === undefined ? [] : filesUnder(dirname(manifest), `opt/layerswarm/node_modules/${name}`);
    }),
  );
  return files.flat();
}

async function filesUnder(folder: string, prefix: string): Promise<File[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { name: `${prefix}/${relative(folder, path)}`, path, executable: false };
    });
}

/** Everything that could differ between two runs is left out of the archive: order, times and owners. */
async function makeLayer(files: readonly File[]): Promise<DemoBlob & { readonly diffId: string }> {
  const archive = pack();
  const diff = createHash('sha256');
  const chunks: Buffer[] = [];
  const compressed = pipeline(
    async function* hashed() {
      for await (const chunk of archive as AsyncIterable<Buffer>) {
        diff.update(chunk);
        yield chunk;
      }
    },
    createGzip({ level: constants.Z_BEST_SPEED }),
    async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) chunks.push(chunk);
    },
  );
  for (const { name, path, executable } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    archive.entry({ name, mode: executable ? 0o755 : 0o644, mtime: new Date(0), uid: 0, gid: 0 }, await readFile(path), (error) =>
      error ? reject(error) : resolve(),
    );
    await promise;
  }
  archive.finalize();
  await compressed;
  const bytes = Buffer.concat(chunks);
  return { descriptor: describe(MediaType.ociLayerGzip, bytes), bytes, diffId: Digest.fromHash(diff).toString() };
}

function jsonBlob(mediaType: string, document: unknown): DemoBlob {
  const bytes = Buffer.from(JSON.stringify(document));
  return { descriptor: describe(mediaType, bytes), bytes };
}

function describe(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: Digest.of(bytes), size: bytes.length };
}
