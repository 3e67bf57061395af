import { lstatSync } from 'node:fs';
import type { OpenSystem } from '../open-system.ts';
import { runProgram } from '../program/run-program.ts';

/** As snapper keeps them; after a rollback they are not snapshots of what is the root now. */
const SNAPPER = /\/\.snapshots\/\d+\/snapshot$/;

/** Decides which subvolumes inside of others are packed: those that live there, and nothing a second time. */
export class NestedSubvolumes {
  readonly #system: Pick<OpenSystem, 'where' | 'folders'>;
  /** btrfs shows a subvolume as the same device, wherever and however often it is mounted. */
  readonly #placed: Set<string>;
  /** Ids of the subvolumes that are packed, once they are asked for. */
  #packed: Promise<Set<string>> | undefined;

  constructor(system: Pick<OpenSystem, 'where' | 'folders'>) {
    this.#system = system;
    this.#placed = new Set(
      system.folders.map(({ folder }) => lstatSync(`${system.where.prefix}${folder}`, { bigint: true }).dev.toString()),
    );
  }

  /**
   * Why a folder of another device is left out; undefined for a subvolume that is packed where it lies.
   * @param nested `at`: its place in the guest; `folder`: what shows it
   */
  async problem({ at, folder, device }: { at: string; folder: string; device: string }): Promise<string | undefined> {
    if (this.#placed.has(device)) return 'it is in the layer already, at another place';
    if (Buffer.from(folder, 'latin1').toString('utf8') !== folder) return 'a subvolume whose name is not ASCII';
    const subvolume = await this.#show(folder);
    if (subvolume === undefined) return 'it is another file system';
    if (subvolume.readOnly) return 'a read-only snapshot';
    this.#packed ??= this.#showAll();
    const packed = await this.#packed;
    if (subvolume.parent !== undefined && (packed.has(subvolume.parent) || SNAPPER.test(at))) return 'a snapshot';
    packed.add(subvolume.id);
    this.#placed.add(device);
    return undefined;
  }

  async #showAll(): Promise<Set<string>> {
    const subvolumes = await Promise.all(this.#system.folders.map(({ folder }) => this.#show(folder)));
    return new Set(subvolumes.flatMap((subvolume) => (subvolume === undefined ? [] : [subvolume.id])));
  }

  async #show(folder: string): Promise<{ id: string; parent: string | undefined; readOnly: boolean } | undefined> {
    const { where } = this.#system;
    const text = (await runProgram(where, 'btrfs', ['subvolume', 'show', folder], { okCodes: [0, 1] })).toString('latin1');
    const field = (name: string): string | undefined => new RegExp(`^\\t${name}:[ \\t]+(\\S+)$`, 'm').exec(text)?.[1];
    const id = field('UUID');
    if (id === undefined) return undefined;
    const parent = field('Parent UUID');
    return { id, parent: parent === '-' ? undefined : parent, readOnly: field('Flags') === 'readonly' };
  }
}
