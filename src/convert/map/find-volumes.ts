import { LayerswarmError } from '../../errors.ts';
import { probeVolume } from '../filesystem/probe.ts';
import { readLogicalVolumes, type LocatedPhysicalVolume, type LogicalVolume } from '../lvm/logical-volumes.ts';
import { readPhysicalVolume } from '../lvm/physical-volume.ts';
import { WindowSource, type ByteSource } from '../header/byte-source.ts';
import type { Partition, PartitionTable } from '../partition/partition.ts';
import { readPartitionTable } from '../partition/read-table.ts';
import { readRaidMember, type RaidMember } from '../raid/software-raid.ts';

/** A virtual disk, to be looked at. */
export interface DiskImage {
  readonly source: ByteSource;
  /** Where the disk's format records it. */
  readonly sectorSize: 512 | 4096 | undefined;
}

/** Where a volume's bytes are, in pieces of the disks. */
export interface Extent {
  /** Which disk, from 0. */
  readonly disk: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export interface VolumePlan {
  readonly name: string;
  /** More than one for a logical volume in several segments. */
  readonly extents: readonly Extent[];
  readonly partition?: Partition;
  readonly diskNumber?: number;
  readonly logical?: { readonly group: string; readonly groupId: string; readonly name: string };
}

export interface DiskPlan {
  readonly volumes: readonly VolumePlan[];
  readonly unreadable: readonly string[];
  /** What a person should know of what is read. */
  readonly warnings: readonly string[];
}

/** What the files of disks are called: `disk`, `disk2`, … */
export function diskFileName(disk: number): string {
  return disk === 0 ? 'disk' : `disk${disk + 1}`;
}

/** A partition, or a disk without any, before it is known what is in it. */
interface Place extends VolumePlan {
  readonly raid?: Extract<RaidMember, { level: 1 }>;
}

/** Reads partition tables and LVM metadata of a machine's virtual disks, and says which bytes make each volume. */
export function findVolumes(disks: readonly DiskImage[]): DiskPlan {
  const unreadable: string[] = [];
  const warnings: string[] = [];
  const found: Place[] = [];
  const addPlace = (place: Place): void => {
    const { disk, offset, size } = place.extents[0]!;
    const window = new WindowSource(disks[disk]!.source, offset, size);
    const raid = readRaidMember(window);
    if (raid !== undefined && 'unreadable' in raid) {
      if (raid.mayBeStale && holdsWhole(window)) {
        found.push(place);
        return;
      }
      unreadable.push(`${place.name}: ${raid.unreadable}`);
      return;
    }
    found.push(raid === undefined ? place : { ...place, raid, extents: [{ disk, offset: offset + raid.offset, size: raid.size }] });
  };
  for (const [disk, { source, sectorSize }] of disks.entries()) {
    const numbered = disks.length > 1 && { diskNumber: disk };
    const table = readTable(disk, source, sectorSize, unreadable);
    if (table?.kind === 'none') addPlace({ name: diskFileName(disk), extents: [{ disk, offset: 0, size: source.size }], ...numbered });
    for (const partition of table?.partitions ?? []) {
      const name = `${disk === 0 ? '' : diskFileName(disk)}p${partition.number}`;
      const size = Math.min(partition.size, source.size - partition.offset);
      if (size <= 0) unreadable.push(`${name}: outside the disk, which is cut short or damaged`);
      else addPlace({ name, extents: [{ disk, offset: partition.offset, size }], partition, ...numbered });
    }
  }
  const places = newestMirrors(found, warnings);

  const volumes: VolumePlan[] = [];
  const physical: LocatedPhysicalVolume[] = [];
  for (const place of places) {
    const { disk, offset, size } = place.extents[0]!;
    const window = new WindowSource(disks[disk]!.source, offset, size);
    if (probeVolume(window).found !== 'lvm') {
      volumes.push(place);
      continue;
    }
    try {
      physical.push({ ...readPhysicalVolume(window), volume: place.name, size });
    } catch (error) {
      unreadable.push(`${place.name}: ${damage(error)}`);
    }
  }
  const { volumes: logical, damaged } = readLogicalVolumes(physical);
  unreadable.push(...damaged);
  for (const volume of logical) {
    const name = logicalName(volume, logical);
    if (volume.unreadable !== undefined) {
      unreadable.push(`${name}: an LVM volume ${volume.unreadable}`);
      continue;
    }
    if (volume.mirror === true) warnings.push(`${name} is read from one of its mirrors: what another alone has is not seen`);
    const extents = volume.segments.map((segment): Extent => {
      const place = places.find((place) => place.name === segment.volume);
      if (place === undefined) throw new LayerswarmError('internal', `no partition ${segment.volume}`);
      const { disk, offset } = place.extents[0]!;
      return { disk, offset: offset + segment.offset, size: segment.size };
    });
    volumes.push({ name, extents: joinAdjacent(extents), logical: { group: volume.group, groupId: volume.groupId, name: volume.name } });
  }
  return { volumes, unreadable, warnings };
}

/** Without the table of its first disk there is no system; a further one that is damaged does not hide it. */
function readTable(disk: number, source: ByteSource, sectorSize: 512 | 4096 | undefined, unreadable: string[]): PartitionTable | undefined {
  try {
    return readPartitionTable(source, sectorSize);
  } catch (error) {
    if (disk === 0) throw error;
    unreadable.push(`${diskFileName(disk)}: ${damage(error)}`);
    return undefined;
  }
}

/** Of each RAID 1 the member that was written last, without the others that are there. */
function newestMirrors(found: readonly Place[], warnings: string[]): VolumePlan[] {
  const newest = new Map<string, Place>();
  const seen = new Map<string, number>();
  for (const place of found) {
    if (place.raid === undefined) continue;
    const { array, events } = place.raid;
    seen.set(array, (seen.get(array) ?? 0) + 1);
    if ((newest.get(array)?.raid?.events ?? -1) < events) newest.set(array, place);
  }
  return found.flatMap(({ raid, ...place }) => {
    if (raid === undefined) return [place];
    const chosen = newest.get(raid.array)!;
    if (chosen.name !== place.name)
      warnings.push(
        `${place.name} is left out: ${chosen.name} is a mirror of the same RAID 1${chosen.raid!.events > raid.events ? ', and newer' : ''}`,
      );
    else if (seen.get(raid.array)! < raid.members)
      warnings.push(`${place.name} is read as one of the ${raid.members} mirrors of a RAID 1: what another alone has is not seen`);
    return chosen.name === place.name ? [place] : [];
  });
}

/** What is wrong with a part of the disk; anything but that is thrown on. */
function damage(error: unknown): string {
  if (!(error instanceof LayerswarmError)) throw error;
  return error.message;
}

/** Whether a volume has a file system that ends inside it. */
function holdsWhole(volume: ByteSource): boolean {
  const probe = probeVolume(volume);
  return probe.found === 'filesystem' && probe.filesystem.size <= volume.size;
}

/** `group/volume`; where two groups have one name, the second part of the name is the beginning of the group's id. */
function logicalName(volume: LogicalVolume, all: readonly LogicalVolume[]): string {
  const isAmbiguous = all.some((other) => other.group === volume.group && other.groupId !== volume.groupId);
  return `${volume.group}${isAmbiguous ? `@${volume.groupId.slice(0, 6)}` : ''}/${volume.name}`;
}

function joinAdjacent(extents: readonly Extent[]): Extent[] {
  const joined: Extent[] = [];
  for (const extent of extents) {
    const last = joined.at(-1);
    if (last !== undefined && last.disk === extent.disk && last.offset + last.size === extent.offset)
      joined[joined.length - 1] = { ...last, size: last.size + extent.size };
    else joined.push(extent);
  }
  return joined;
}
