import type { Cleanup } from '../cleanup.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import type { Surroundings } from '../program/run-program.ts';

/** A file system's files, read-only. */
export interface MountedTree {
  /** As programs in the conversion's surroundings see it. */
  readonly path: string;
  /** Set where the tree can also be read past the mount, which then only serves single look-ups. */
  readonly volume?: ReadVolume | undefined;
}

/** Where the bytes of a file system lie that `reader/` can read. */
export interface ReadVolume {
  readonly file: string;
  readonly offset: number;
  readonly size: number;
  /** Of an erofs: the folder with the contents of its files. */
  readonly unpacked?: string;
  /** A folder in it that is the tree's root: latin1, without a leading slash. */
  readonly below?: string;
}

/** Second stage: shows the files of a volume's file system. All that it starts or mounts goes into the cleanup it was made with. */
export interface Mounter {
  /** Whether a file system of this kind can be mounted; a reason for a person where not. */
  refuses(filesystem: FileSystem): string | undefined;
  /**
   * @param subvolume btrfs: the subvolume's id; 5 is the top level, undefined the default subvolume
   * @param at an empty folder to mount at; a new one in the scratch folder unless given
   */
  mount(volume: Volume, filesystem: FileSystem, subvolume?: number, at?: string): Promise<MountedTree>;
}

export interface MounterOptions {
  readonly where: Surroundings;
  readonly cleanup: Cleanup;
  readonly signal?: AbortSignal | undefined;
  /** Whether the mounts stay when this process ends. */
  readonly outlive?: boolean;
}
