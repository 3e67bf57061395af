import { LayerswarmError } from '../../errors.ts';
import { probeVolume } from '../filesystem/probe.ts';
import { readLogicalVolumes, type LocatedPhysicalVolume, type LogicalVolume } from '../lvm/logical-volumes.ts';
import { readPhysicalVolume } from '../lvm/physical-volume.ts';
import { WindowSource, type ByteSource } from '../header/byte-source.ts';
import type { Partition, PartitionTable } from '../partition/partition.ts';
import { readPartitionTable } from '../partition/read-table.ts';
import { readRaidMember } from '../raid/software-raid.ts';

/** Where a volume's bytes are, in pieces of the disk. */
export interface Extent {
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
  readonly logical?: { readonly group: string; readonly groupId: string; readonly name: string };
}

export interface DiskPlan {
  readonly table: PartitionTable;
  readonly volumes: readonly VolumePlan[];
  readonly unreadable: readonly string[];
  /** What a person should know of what is read. */
  readonly warnings: readonly string[];
}

/** Reads partition tables and LVM metadata of the virtual disk, and says which bytes make each volume. */
export function findVolumes(disk: ByteSource, sectorSize: 512 | 4096 | undefined): DiskPlan {
  const table = readPartitionTable(disk, sectorSize);
  const unreadable: string[] = [];
  const warnings: string[] = [];
  const places: VolumePlan[] = [];
  const addPlace = (place: VolumePlan): void => {
    const { offset, size } = place.extents[0]!;
    const window = new WindowSource(disk, offset, size);
    const raid = readRaidMember(window);
    if (raid !== undefined && 'unreadable' in raid) {
      if (raid.mayBeStale && holdsWhole(window)) {
        places.push(place);
        return;
      }
      unreadable.push(`${place.name}: ${raid.unreadable}`);
      return;
    }
    if (raid !== undefined) warnings.push(`${place.name} is read as one of the ${raid.members} mirrors of a RAID 1: what another alone has is not seen`);
    places.push(raid === undefined ? place : { ...place, extents: [{ offset: offset + raid.offset, size: raid.size }] });
  };
  if (table.kind === 'none') addPlace({ name: 'disk', extents: [{ offset: 0, size: disk.size }] });
  for (const partition of table.partitions) {
    const name = `p${partition.number}`;
    const size = Math.min(partition.size, disk.size - partition.offset);
    if (size <= 0) unreadable.push(`${name}: outside the disk, which is cut short or damaged`);
    else addPlace({ name, extents: [{ offset: partition.offset, size }], partition });
  }

  const volumes: VolumePlan[] = [];
  const physical: LocatedPhysicalVolume[] = [];
  for (const place of places) {
    const { offset, size } = place.extents[0]!;
    const window = new WindowSource(disk, offset, size);
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
      return { offset: place.extents[0]!.offset + segment.offset, size: segment.size };
    });
    volumes.push({ name, extents: joinAdjacent(extents), logical: { group: volume.group, groupId: volume.groupId, name: volume.name } });
  }
  return { table, volumes, unreadable, warnings };
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
    if (last !== undefined && last.offset + last.size === extent.offset) joined[joined.length - 1] = { offset: last.offset, size: last.size + extent.size };
    else joined.push(extent);
  }
  return joined;
}
