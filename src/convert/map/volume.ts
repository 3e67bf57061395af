import type { Partition } from '../partition/partition.ts';

/** A file system's place: bytes of a file that programs can open, as the surroundings of the conversion see it. */
export interface Volume {
  /** `disk`, `p1`, or `group/volume`; `disk2`, `disk2p1` of a second disk: what `--root` takes and messages say. */
  readonly name: string;
  readonly file: string;
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly partition?: Partition;
  /** Of several disks of one machine, which: from 0. Unset where there is only one. */
  readonly diskNumber?: number;
  /** Set for what was in a LUKS volume: its id. */
  readonly luks?: string;
  /** Set for an LVM logical volume. */
  readonly logical?: { readonly group: string; readonly groupId: string; readonly name: string };
}

/** The first stage's result: the virtual disks of a machine, the one with the system first, and everything in them that may hold a file system. */
export interface MappedDisk {
  readonly disks: readonly Volume[];
  readonly volumes: readonly Volume[];
  /** What is on the disk and cannot be read, named for a person, e.g. "vg/thin: an LVM volume of type thin". */
  readonly unreadable: readonly string[];
  /** What a person should know of what is read, e.g. that it is one half of a mirror. */
  readonly warnings: readonly string[];
}
