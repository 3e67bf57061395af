import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { FileSource } from '../header/byte-source.ts';
import { runProgram, type Surroundings } from '../program/run-program.ts';
import { blockNode, type DiskFile } from './disk-file.ts';
import { diskFileName, findVolumes, type DiskImage, type DiskPlan } from './find-volumes.ts';
import { joinedNode, writeJoinedExtents } from './joined-extents.ts';
import type { MappedDisk, Volume } from './volume.ts';

/** Less than this left after a failure means that the disk was full. */
const FULL_BYTES = 16 * 1024 * 1024;

/** Converts disk images to sparse raw files in the scratch folder: faster for compressed images, and needs no FUSE. */
export async function mapByCopy(files: readonly DiskFile[], where: Surroundings, signal: AbortSignal | undefined): Promise<MappedDisk> {
  const disks: Volume[] = [];
  using sources = new DisposableStack();
  const images: DiskImage[] = [];
  for (const [i, file] of files.entries()) {
    const name = diskFileName(i);
    const path = join(where.scratch, name);
    await convertToRaw(where, blockNode(file), path, signal);
    disks.push({ name, file: path, offset: 0, size: statSync(path).size });
    images.push({ source: sources.use(new FileSource(path)), sectorSize: file.header.sectorSize });
  }
  const plan = findVolumes(images);

  const volumes = await copyVolumes(plan, disks, where, signal);
  return { disks, volumes, unreadable: plan.unreadable, warnings: plan.warnings };
}

/**
 * The volumes in raw files: each where it lies, or copied together where it is in pieces.
 * @param disks files in the scratch folder, by their names there
 */
export async function copyVolumes(
  plan: DiskPlan,
  disks: readonly Pick<Volume, 'name' | 'file'>[],
  where: Surroundings,
  signal: AbortSignal | undefined,
): Promise<Volume[]> {
  const volumes: Volume[] = [];
  for (const [i, { name, extents, ...rest }] of plan.volumes.entries()) {
    if (extents.length === 1) {
      const { disk, offset, size } = extents[0]!;
      volumes.push({ name, file: disks[disk]!.file, offset, size, ...rest });
      continue;
    }
    const descriptor = join(where.scratch, `${disks[0]!.name}-joined${i}.vmdk`);
    const joined = join(where.scratch, `${disks[0]!.name}-joined${i}`);
    writeJoinedExtents(
      descriptor,
      disks.map(({ name }) => name),
      extents,
    );
    await convertToRaw(where, joinedNode(descriptor), joined, signal);
    volumes.push({ name, file: joined, offset: 0, size: statSync(joined).size, ...rest });
  }
  return volumes;
}

async function convertToRaw(
  where: Surroundings,
  node: Record<string, unknown>,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    // Writes may come in any order (-W), which is what makes several decompress at once.
    await runProgram(where, 'qemu-img', ['convert', '-W', '-O', 'raw', `json:${JSON.stringify(node)}`, target], { signal });
  } catch (error) {
    const { bavail, bsize } = await statfs(where.scratch);
    if (signal?.aborted !== true && bavail * bsize < FULL_BYTES) {
      throw new LayerswarmError(
        'disk-full',
        `no space left in ${where.scratch} for the raw copy of the disk: use another folder with --scratch, or --backend fuse or loop, which copy nothing`,
        { cause: error },
      );
    }
    throw error;
  }
}
