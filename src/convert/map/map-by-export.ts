import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from '../cleanup.ts';
import { FileSource } from '../header/byte-source.ts';
import type { Surroundings } from '../program/run-program.ts';
import { blockNode, type DiskFile } from './disk-file.ts';
import { findVolumes } from './find-volumes.ts';
import { joinedNode, writeJoinedExtents } from './joined-extents.ts';
import { StorageDaemon } from './storage-daemon.ts';
import type { MappedDisk, Volume } from './volume.ts';

export interface ExportOptions {
  readonly where: Surroundings;
  /** Folder for the files `disk`, `p1`, …, as the programs see it. */
  readonly folder: string;
  readonly cleanup: Cleanup;
  /** Whether the daemons go on when this process ends. */
  readonly outlive?: boolean;
}

/** Shows a disk image as files, through FUSE and without copying: the virtual disk, and each volume in it, writable onto an overlay. */
export async function mapByExport(file: DiskFile, { where, folder, cleanup, outlive = false }: ExportOptions): Promise<MappedDisk & { readonly daemons: readonly StorageDaemon[] }> {
  const start = async (): Promise<StorageDaemon> => {
    const daemon = await StorageDaemon.start(where, outlive);
    cleanup.add(async () => { await daemon.stop(); });
    return daemon;
  };
  const daemon = await start();
  const daemons = [daemon];
  const { node, size } = await daemon.open(blockNode(file));
  const diskPath = join(folder, 'disk');
  await daemon.exportReadOnly(node, diskPath);
  using source = new FileSource(`${where.prefix}${diskPath}`, size);
  const plan = findVolumes(source, file.header.sectorSize);

  const files = fileNames(plan.volumes.map(({ name }) => name));
  // Joined extents are named relative to their descriptor, which lies in the scratch folder.
  if (folder !== where.scratch && plan.volumes.some(({ extents }) => extents.length > 1)) symlinkSync(diskPath, join(where.scratch, 'disk'));
  const volumes: Volume[] = [];
  for (const [i, { name, extents, partition, logical }] of plan.volumes.entries()) {
    const path = join(folder, files[i]!);
    const [extent] = extents;
    let total = extent!.size;
    if (extents.length === 1) {
      await daemon.exportOverlay(node, extent!, path);
    } else {
      // A second daemon: one that opened a file which it serves itself would wait for itself.
      const joiner = await start();
      daemons.push(joiner);
      const descriptor = join(where.scratch, `joined${i}.vmdk`);
      writeJoinedExtents(descriptor, diskPath, extents);
      const joined = await joiner.open(joinedNode(descriptor));
      total = joined.size;
      await joiner.exportOverlay(joined.node, { offset: 0, size: total }, path);
    }
    volumes.push({ name, file: path, offset: 0, size: total, ...(partition && { partition }), ...(logical && { logical }) });
  }
  return { disk: { name: 'disk', file: diskPath, offset: 0, size }, table: plan.table, volumes, unreadable: plan.unreadable, warnings: plan.warnings, daemons };
}

/** A file name for each volume: `vg/root` → `vg-root`. The names come from the disk, and two may come to the same. */
export function fileNames(volumes: readonly string[]): string[] {
  const used = new Set<string>();
  return volumes.map((volume) => {
    const plain = volume === 'disk' ? 'whole' : volume.replaceAll(/[^A-Za-z0-9_.@+]/g, '-').replace(/^\.+/, '-').slice(0, 200);
    let name = plain;
    for (let i = 2; used.has(name); i++) name = `${plain}~${i}`;
    used.add(name);
    return name;
  });
}
