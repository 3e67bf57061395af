import { writeFileSync } from 'node:fs';
import { pack, type Header } from 'tar-stream';

export interface TarEntry {
  readonly name: string;
  readonly content?: string | Uint8Array;
  readonly type?: Header['type'];
  readonly linkname?: string;
}

/** A tar archive of exactly these entries, also of such that no program would write. */
export async function tarBytes(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, type, linkname } of entries) {
    const header = { name, mtime: new Date(0), ...(type === undefined ? {} : { type }), ...(linkname === undefined ? {} : { linkname }) };
    if (content === undefined) tar.entry(header);
    else tar.entry(header, Buffer.from(content));
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function writeTar(file: string, entries: readonly TarEntry[]): Promise<string> {
  writeFileSync(file, await tarBytes(entries));
  return file;
}
