import { pack } from 'tar-stream';
import type { LayerEntry } from './adaptation.ts';

/** The entries as a tar archive, in their order, with the same bytes every time. */
export async function writeLayerTar(entries: readonly LayerEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const entry of entries) {
    const name = entry.path.slice(1);
    switch (entry.type) {
      case 'directory':
        archive.entry({
          name: `${name}/`,
          type: 'directory',
          mode: entry.mode,
          uid: entry.uid,
          gid: entry.gid,
          mtime: new Date(entry.mtime * 1000),
        });
        break;
      case 'file':
        archive.entry({ name, type: 'file', mode: entry.mode, uid: 0, gid: 0, mtime: new Date(0) }, entry.content);
        break;
      case 'symlink':
        archive.entry({ name, type: 'symlink', linkname: entry.target, mode: 0o777, uid: 0, gid: 0, mtime: new Date(0) });
        break;
    }
  }
  archive.finalize();
  return Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>));
}
