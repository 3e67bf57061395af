import { createReadStream, createWriteStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';

/**
 * An OCI layout as one tar file, which `docker load`, skopeo and podman read: the same bytes for the same layout.
 * @param output a file that is not there yet; the caller gives it its name when it is whole
 */
export async function writeArchive(layout: string, output: string, signal: AbortSignal | undefined): Promise<void> {
  const archive = pack();
  const blobs = readdirSync(join(layout, 'blobs/sha256')).sort();
  const feed = async (): Promise<void> => {
    for (const name of ['oci-layout', 'index.json', 'manifest.json']) await addFile(archive, name, readFileSync(join(layout, name)));
    for (const folder of ['blobs/', 'blobs/sha256/']) archive.entry({ name: folder, type: 'directory', mode: 0o755, mtime: new Date(0) });
    for (const blob of blobs) await addStream(archive, `blobs/sha256/${blob}`, join(layout, 'blobs/sha256', blob));
    archive.finalize();
  };
  await Promise.all([
    pipeline(
      archive,
      createWriteStream(output, { flags: 'wx', flush: true, highWaterMark: 1024 * 1024 }),
      signal === undefined ? {} : { signal },
    ),
    feed().catch((error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }),
  ]);
}

async function addFile(archive: Pack, name: string, content: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    archive.entry({ name, mode: 0o644, mtime: new Date(0) }, content, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

async function addStream(archive: Pack, name: string, file: string): Promise<void> {
  const entry = archive.entry({ name, mode: 0o644, mtime: new Date(0), size: statSync(file).size });
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), entry);
}
