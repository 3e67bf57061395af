import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';

/** fstab(5). */
export interface FstabEntry {
  /** `UUID=…`, `/dev/…` */
  readonly spec: string;
  /** Mount point; `none` for swap. */
  readonly file: string;
  readonly type: string;
  readonly options: readonly string[];
}

const MAX_ENTRIES = 256;

export function parseFstab(text: string): FstabEntry[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .slice(0, MAX_ENTRIES)
    .flatMap((line) => {
      const [spec, file, type, options = 'defaults'] = line
        .split(/\s+/)
        .map((field) => field.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
      return spec === undefined || file === undefined || type === undefined ? [] : [{ spec, file, type, options: options.split(',') }];
    });
}

/** The value of an option such as `subvol=`; without a leading slash for it. */
export function mountOption(entry: FstabEntry, name: string): string | undefined {
  const option = entry.options.find((option) => option.startsWith(`${name}=`));
  return option?.slice(name.length + 1);
}

/** Whether `spec` means this volume. */
export function meansVolume(spec: string, volume: Volume, filesystem: FileSystem): boolean {
  const tag =
    /^(UUID|LABEL|PARTUUID|PARTLABEL)=["']?([^"']*)["']?$/.exec(spec) ??
    /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.*)$/.exec(spec);
  if (tag !== null) {
    const value = tag[2]!;
    switch (tag[1]!.toUpperCase()) {
      case 'UUID':
        return value !== '' && value.toLowerCase() === filesystem.uuid;
      case 'LABEL':
        return value !== '' && value === filesystem.label;
      case 'PARTUUID':
        return value.toLowerCase() === volume.partition?.uuid;
      default:
        return value !== '' && value === volume.partition?.label;
    }
  }
  if (volume.luks !== undefined) return spec === `/dev/mapper/luks-${volume.luks}`;
  if (volume.logical !== undefined) {
    const { group, name } = volume.logical;
    // device-mapper doubles dashes in names.
    return spec === `/dev/${group}/${name}` || spec === `/dev/mapper/${group.replaceAll('-', '--')}-${name.replaceAll('-', '--')}`;
  }
  const device = /^\/dev\/(?:(?:[shv]d|xvd)([a-z])(\d*)|(?:nvme(\d+)n\d+|mmcblk(\d+))(?:p(\d+))?)$/.exec(spec);
  if (device === null) return false;
  const [, letter, number, nvme, mmc, part = number ?? ''] = device;
  // Which disk /dev/sdb was nobody knows any more where there is one; the partition's number on it is all that is left.
  if (volume.diskNumber !== undefined && volume.diskNumber !== (letter === undefined ? Number(nvme ?? mmc) : letter.charCodeAt(0) - 97))
    return false;
  return part === '' ? volume.diskNumber !== undefined && volume.partition === undefined : Number(part) === volume.partition?.number;
}
