import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs';

/** A file system of the guest, and where in the guest's own tree it belongs. */
export interface GuestMount {
  /** A path in the guest without symbolic links, e.g. `/usr`; `/` for the root. */
  readonly at: string;
  /** The folder that shows its files, as this process reaches it. */
  readonly folder: string;
  /** Whether it was made here: by whoever runs this, and belongs to root in the guest. */
  readonly made?: boolean;
}

export interface Resolved {
  /** A path in the guest without symbolic links or dots. */
  readonly path: string;
  /** Of what is there; undefined when only its parent exists. */
  readonly stat: Stats | undefined;
}

/** Linux' own limit (MAXSYMLINKS). */
const MAX_LINKS = 40;
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * The guest's tree as its own kernel would see it. Every path is walked component by component, with each symbolic link resolved
 * inside: nothing that the guest wrote leads to a file of the host.
 */
export class GuestTree {
  readonly #mounts: GuestMount[] = [];

  /** @param made whether the root itself was made here */
  constructor(root: string, made = false) {
    this.#mounts.push({ at: '/', folder: root, made });
  }

  /** @param at as `resolve` gave it */
  add(at: string, folder: string, made = false): void {
    this.#mounts.push({ at, folder, made });
  }

  /** Where `path` leads to; undefined when a folder on the way is missing, is none, or links run in a circle. */
  resolve(path: string): Resolved | undefined {
    const rest = path.split('/').reverse();
    let links = 0;
    let current = '/';
    let stat: Stats | undefined = this.#lstat('/');
    while (rest.length > 0) {
      const name = rest.pop()!;
      if (name === '' || name === '.') continue;
      if (stat?.isDirectory() !== true || name.includes('\0')) return undefined;
      if (name === '..') {
        current = parentOf(current);
        stat = this.#lstat(current);
        continue;
      }
      const next = current === '/' ? `/${name}` : `${current}/${name}`;
      const found = this.#lstat(next);
      if (found?.isSymbolicLink() === true) {
        links += 1;
        if (links > MAX_LINKS) return undefined;
        const target = readlinkSync(this.hostPath(next));
        if (target.startsWith('/')) {
          current = '/';
          stat = this.#lstat('/');
        }
        rest.push(...target.split('/').reverse());
        continue;
      }
      current = next;
      stat = found;
    }
    return { path: current, stat };
  }

  isDirectory(path: string): boolean {
    return this.resolve(path)?.stat?.isDirectory() ?? false;
  }

  isFile(path: string): boolean {
    return this.resolve(path)?.stat?.isFile() ?? false;
  }

  /** The first bytes of a regular file, at most 1 MiB; undefined where there is none. */
  readFile(path: string, limit = MAX_FILE_BYTES): Buffer | undefined {
    const resolved = this.resolve(path);
    if (resolved?.stat?.isFile() !== true) return undefined;
    // The tree is read-only, so nothing changed since; O_NOFOLLOW is there for the day that it is not.
    const fd = openSync(this.hostPath(resolved.path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, limit));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
    } finally {
      closeSync(fd);
    }
  }

  readText(path: string): string | undefined {
    return this.readFile(path)?.toString('utf8');
  }

  /** Names in a folder; empty where there is none. */
  list(path: string): string[] {
    const resolved = this.resolve(path);
    return resolved?.stat?.isDirectory() === true ? readdirSync(this.hostPath(resolved.path)).sort() : [];
  }

  /** Where this process finds a guest path that is free of links. */
  hostPath(path: string): string {
    const { folder, at } = this.#mountOf(path);
    return `${folder}${at === '/' ? path : path.slice(at.length)}`;
  }

  #mountOf(path: string): GuestMount {
    return this.#mounts
      .filter(({ at }) => at === '/' || path === at || path.startsWith(`${at}/`))
      .reduce((longest, mount) => (mount.at.length >= longest.at.length ? mount : longest));
  }

  #lstat(path: string): Stats | undefined {
    try {
      const stat = lstatSync(this.hostPath(path), { throwIfNoEntry: false });
      return stat !== undefined && this.#mountOf(path).made === true ? Object.assign(stat, { uid: 0, gid: 0 }) : stat;
    } catch (error) {
      // A name that no file system takes comes from the guest's own words, and is not there.
      if ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG') return undefined;
      throw error;
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** As names on a disk are kept: bytes, each a character. */
export function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
