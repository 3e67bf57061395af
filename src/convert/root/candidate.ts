import type { LayerswarmError } from '../../errors.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import type { MountedTree, Mounter } from '../mount/mounter.ts';
import type { Surroundings } from '../program/run-program.ts';
import type { Evidence } from './evidence.ts';
import type { Deployment } from './ostree.ts';
import type { Subvolume } from './subvolumes.ts';

/** A volume with a file system that can be read. */
export interface ReadableVolume {
  readonly volume: Volume;
  readonly filesystem: FileSystem;
  /** Why it is not mounted, e.g. because the kernel would have to read it and `--trust` was not said. */
  readonly refused: string | undefined;
  /** Set where it is damaged or cut short: then `refused` is its message. */
  readonly broken?: LayerswarmError;
}

export interface Candidate {
  /** What `--root` takes: `p1`, `vg/root`, `p3:@`. */
  readonly name: string;
  readonly source: ReadableVolume;
  readonly subvolume: Subvolume | undefined;
  readonly folder: string;
  readonly volume?: MountedTree['volume'];
  readonly evidence: Evidence;
  readonly score: number;
  /** Set for a folder that was made here: there is no root on the disk, and a /usr that needs none. */
  readonly made?: boolean;
  /** Set for a version of an ostree system, which lies in a folder of `below`. */
  readonly deployment?: Deployment;
  readonly below?: Candidate;
}

export interface FoundRoot {
  readonly root: Candidate;
  readonly readable: readonly ReadableVolume[];
  /** The /usr, where it was chosen before the root. */
  readonly usr?: ReadableVolume;
}

export interface FindOptions {
  readonly where: Surroundings;
  readonly mounter: Mounter;
  readonly wanted: string | undefined;
  readonly note: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}
