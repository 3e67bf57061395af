import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from '../cleanup.ts';
import { FileSource } from '../header/byte-source.ts';
import type { Surroundings } from '../program/run-program.ts';
import { blockNode, type DiskFile } from './disk-file.ts';
import { diskFileName, findVolumes, type DiskImage } from './find-volumes.ts';
import { joinedNode, writeJoinedExtents } from './joined-extents.ts';
import { StorageDaemon } from './storage-daemon.ts';
import type { MappedDisk, Volume } from './volume.ts';

export interface ExportOptions {
  readonly where: Surroundings;
  /** Folder for the files `disk`, `disk2`, `p1`, …, as the programs see it. */
  readonly folder: string;
  readonly cleanup: Cleanup;
  /** Whether the daemons go on when this process ends. */
  readonly outlive?: boolean;
}

/** Shows disk images as files, through FUSE and without copying: the virtual disks, and each volume in it, writable onto an overlay. */
export async function mapByExport(
  files: readonly DiskFile[],
  { where, folder, cleanup, outlive = false }: ExportOptions,
): Promise<MappedDisk & { readonly daemons: readonly StorageDaemon[] }> {
  const start = async (): Promise<StorageDaemon> => {
    const daemon = await StorageDaemon.start(where, outlive);
    cleanup.add(async () => {
      await daemon.stop();
    });
    return daemon;
  };
  const daemon = await start();
  const daemons = [daemon];
  const disks: Volume[] = [];
  const nodes: string[] = [];
  using sources = new DisposableStack();
  const images: DiskImage[] = [];
  for (const [i, image] of files.entries()) {
    const { node, size } = await daemon.open(blockNode(image));
    const name = diskFileName(i);
    const path = join(folder, name);
    await daemon.exportReadOnly(node, path);
    disks.push({ name, file: path, offset: 0, size });
    nodes.push(node);
    images.push({ source: sources.use(new FileSource(`${where.prefix}${path}`, size)), sectorSize: image.header.sectorSize });
  }
  const plan = findVolumes(images);

  const names = fileNames(plan.volumes.map(({ name }) => name));
  // Joined extents are named relative to their descriptor, which lies in the scratch folder.
  if (folder !== where.scratch && plan.volumes.some(({ extents }) => extents.length > 1))
    for (const { name, file } of disks) symlinkSync(file, join(where.scratch, name));
  const volumes: Volume[] = [];
  for (const [i, { name, extents, ...rest }] of plan.volumes.entries()) {
    const path = join(folder, names[i]!);
    const [extent] = extents;
    let total = extent!.size;
    if (extents.length === 1) {
      await daemon.exportOverlay(nodes[extent!.disk]!, extent!, path);
    } else {
      // A second daemon: one that opened a file which it serves itself would wait for itself.
      const joiner = await start();
      daemons.push(joiner);
      const descriptor = join(where.scratch, `joined${i}.vmdk`);
      writeJoinedExtents(
        descriptor,
        disks.map(({ name }) => name),
        extents,
      );
      const joined = await joiner.open(joinedNode(descriptor));
      total = joined.size;
      await joiner.exportOverlay(joined.node, { offset: 0, size: total }, path);
    }
    volumes.push({ name, file: path, offset: 0, size: total, ...rest });
  }
  return { disks, volumes, unreadable: plan.unreadable, warnings: plan.warnings, daemons };
}

/** A file name for each volume: `vg/root` → `vg-root`. The names come from the disk, and two may come to the same. */
export function fileNames(volumes: readonly string[]): string[] {
  const used = new Set<string>();
  return volumes.map((volume) => {
    const plain = /^disk\d*$/.test(volume)
      ? volume.replace('disk', 'whole')
      : volume
          .replaceAll(/[^A-Za-z0-9_.@+]/g, '-')
          .replace(/^\.+/, '-')
          .slice(0, 200);
    let name = plain;
    for (let i = 2; used.has(name); i++) name = `${plain}~${i}`;
    used.add(name);
    return name;
  });
}
