import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import type { MountedTree, Mounter } from './mounter.ts';

/** Remembers what is mounted: a file system that was looked at as a possible root is not mounted again as /usr. */
export class MountOnce implements Mounter {
  readonly #mounter: Mounter;
  readonly #mounted = new Map<string, Promise<MountedTree>>();

  constructor(mounter: Mounter) {
    this.#mounter = mounter;
  }

  refuses(filesystem: FileSystem): string | undefined {
    return this.#mounter.refuses(filesystem);
  }

  async mount(volume: Volume, filesystem: FileSystem, subvolume?: number): Promise<MountedTree> {
    const key = `${volume.name}\0${subvolume ?? ''}`;
    const known = this.#mounted.get(key);
    if (known !== undefined) return await known;
    const mounting = this.#mounter.mount(volume, filesystem, subvolume);
    this.#mounted.set(key, mounting);
    return await mounting;
  }
}
