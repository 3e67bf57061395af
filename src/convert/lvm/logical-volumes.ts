import { LayerswarmError } from '../../errors.ts';
import { parseMetadata, type MetadataSection, type MetadataValue } from './metadata-text.ts';
import type { PhysicalVolume } from './physical-volume.ts';

/** A physical volume on the disk, with the name of the partition that holds it. */
export interface LocatedPhysicalVolume extends PhysicalVolume {
  readonly volume: string;
  /** Bytes. */
  readonly size: number;
}

/** A run of bytes of a logical volume, and where on which partition it lies. */
export interface Segment {
  readonly volume: string;
  /** Bytes from the start of that volume. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export interface LogicalVolume {
  readonly group: string;
  /** Two groups of one disk may have one name; this tells them apart. */
  readonly groupId: string;
  readonly name: string;
  /** In the order of the logical volume, without gaps; empty where `unreadable` says why. */
  readonly segments: readonly Segment[];
  /** Whether it is read from one of several mirrors. */
  readonly mirror?: boolean;
  /** Why it cannot be read, e.g. "of type thin". */
  readonly unreadable?: string;
}

const MAX_SEGMENTS = 4096;
const MAX_LOGICAL_VOLUMES = 256;

export interface LogicalVolumes {
  readonly volumes: readonly LogicalVolume[];
  /** What of the metadata cannot be read, one line each: a damaged group does not hide the others. */
  readonly damaged: readonly string[];
}

/** The logical volumes of every group on the disk. Linear ones get segments; the others are named with their type. */
export function readLogicalVolumes(physical: readonly LocatedPhysicalVolume[]): LogicalVolumes {
  const newest = new Map<string, { sequence: number; name: string; group: MetadataSection }>();
  const damaged: string[] = [];
  for (const { metadata, volume } of physical) {
    if (metadata === undefined) continue;
    orDamaged(volume, damaged, () => {
      for (const [name, group] of Object.entries(parseMetadata(metadata))) {
        if (!isSection(group)) continue;
        const id = text(group['id']);
        const sequence = number(group['seqno']);
        if ((newest.get(id)?.sequence ?? -1) < sequence) newest.set(id, { sequence, name, group });
      }
    });
  }
  const known = new Set([...newest.values()].flatMap(({ group }) => physicalIds(group)));
  for (const { id, volume, metadata } of physical) {
    if (metadata === undefined && !known.has(id))
      damaged.push(`${volume}: a physical volume of an LVM group that is not described on this disk`);
  }
  const volumes = [...newest].flatMap(
    ([groupId, { name, group }]) => orDamaged(name, damaged, () => readGroup(groupId, name, group, physical)) ?? [],
  );
  if (volumes.length > MAX_LOGICAL_VOLUMES)
    throw new LayerswarmError('too-large', `the disk has ${volumes.length} logical volumes, and the limit is ${MAX_LOGICAL_VOLUMES}`);
  return { volumes, damaged };
}

function physicalIds({ physical_volumes: volumes }: MetadataSection): string[] {
  return Object.values(isSection(volumes) ? volumes : {}).flatMap((volume) =>
    isSection(volume) && typeof volume['id'] === 'string' ? [volume['id'].replaceAll('-', '')] : [],
  );
}

function orDamaged<T>(name: string, damaged: string[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LayerswarmError)) throw error;
    damaged.push(`${name}: ${error.message}`);
    return undefined;
  }
}

function readGroup(groupId: string, group: string, metadata: MetadataSection, located: readonly LocatedPhysicalVolume[]): LogicalVolume[] {
  const extentBytes = number(metadata['extent_size']) * 512;
  const volumes = section(metadata['logical_volumes'] ?? {});
  const places = new Map<string, { volume: LocatedPhysicalVolume; start: number } | undefined>();
  for (const [name, value] of Object.entries(section(metadata['physical_volumes']))) {
    const id = text(section(value)['id']).replaceAll('-', '');
    const volume = located.find((candidate) => candidate.id === id);
    places.set(name, volume && { volume, start: number(section(value)['pe_start']) * 512 });
  }
  return Object.entries(volumes)
    .filter(([, value]) => isSection(value) && isVisible(value))
    .map(([name, value]) => {
      const result = segmentsOf(section(value), { extentBytes, places, volumes });
      return typeof result === 'string' ? { group, groupId, name, segments: [], unreadable: result } : { group, groupId, name, ...result };
    });
}

/** A damaged volume is named, and the others of its group are read. */
function segmentsOf(...args: Parameters<typeof readSegments>): Readable | string {
  try {
    return readSegments(...args);
  } catch (error) {
    if (!(error instanceof LayerswarmError)) throw error;
    return `that cannot be read: ${error.message}`;
  }
}

interface Readable {
  readonly segments: readonly Segment[];
  readonly mirror?: boolean;
}

interface Group {
  readonly extentBytes: number;
  readonly places: ReadonlyMap<string, { volume: LocatedPhysicalVolume; start: number } | undefined>;
  readonly volumes: MetadataSection;
}

/** The first image of a mirror that can be read. Images are linear, and no mirrors themselves. */
function readMirror(segment: MetadataSection, extents: number, group: Group): Readable | string {
  const images = ['raids', 'mirrors'].flatMap((key) => (Array.isArray(segment[key]) ? (segment[key] as readonly MetadataValue[]) : []));
  let reason = 'a mirror without images';
  for (const name of images) {
    // raids: the metadata of each image before the image; mirrors: the extent where it begins after it.
    if (typeof name !== 'string' || /_rmeta_\d+$/.test(name)) continue;
    const image = section(group.volumes[name]);
    if (Array.isArray(image['status']) && image['status'].includes('REBUILD')) continue;
    const result = readSegments(image, group, false);
    if (typeof result === 'string') reason = result;
    else if (result.segments.reduce((sum, { size }) => sum + size, 0) === extents * group.extentBytes)
      return { segments: result.segments, mirror: true };
  }
  return reason;
}

function readSegments(volume: MetadataSection, group: Group, mayBeMirror = true): Readable | string {
  const { extentBytes, places } = group;
  const count = number(volume['segment_count']);
  if (count > MAX_SEGMENTS) return `in ${count} segments`;
  const segments: Segment[] = [];
  let nextExtent = 0;
  for (let i = 1; i <= count; i++) {
    const segment = section(volume[`segment${i}`]);
    const type = text(segment['type']);
    if (mayBeMirror && count === 1 && (type === 'raid1' || type === 'mirror'))
      return readMirror(segment, number(segment['extent_count']), group);
    if (type !== 'striped')
      return `of type ${type.slice(0, 40)}; activate its group on a host that you trust (vgchange -ay), and convert its device`;
    const stripes = segment['stripes'];
    if (number(segment['stripe_count']) !== 1 || !Array.isArray(stripes)) return 'striped over several physical volumes';
    if (number(segment['start_extent']) !== nextExtent) throw malformed('a segment does not follow the one before');
    const [place, extent] = stripes as readonly MetadataValue[];
    const extents = number(segment['extent_count']);
    const physical = places.get(text(place));
    if (physical === undefined)
      return `partly on a physical volume that is not on this disk (${text(place).slice(0, 40)}): name the disk that has it with --disk`;
    const offset = physical.start + number(extent) * extentBytes;
    const size = extents * extentBytes;
    if (size <= 0 || !Number.isSafeInteger(offset + size) || offset + size > physical.volume.size)
      throw malformed('a segment lies outside its physical volume');
    segments.push({ volume: physical.volume.volume, offset, size });
    nextExtent += extents;
  }
  return segments.length === 0 ? 'empty' : { segments };
}

function isVisible(volume: MetadataSection): boolean {
  const status = volume['status'];
  return Array.isArray(status) && status.includes('VISIBLE');
}

function isSection(value: MetadataValue | undefined): value is MetadataSection {
  return typeof value === 'object' && !Array.isArray(value);
}

function section(value: MetadataValue | undefined): MetadataSection {
  if (!isSection(value)) throw malformed('a section is missing');
  return value;
}

function text(value: MetadataValue | undefined): string {
  if (typeof value !== 'string') throw malformed('a name is missing');
  return value;
}

function number(value: MetadataValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw malformed('a number is missing');
  return value;
}

function malformed(why: string): LayerswarmError {
  return new LayerswarmError('unsupported', `the disk's LVM metadata is damaged: ${why}`);
}
