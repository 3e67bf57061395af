/** As find writes it. */
export type InodeType = 'p' | 'c' | 'd' | 'b' | 'f' | 'l' | 's';

/** What every file system that is read here says of a file. */
export interface TreeInode {
  readonly number: number;
  /** Undefined: none that a file can have. */
  readonly type: InodeType | undefined;
  /** Permissions, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds. */
  readonly mtime: number;
  readonly links: number;
}

/** An extended attribute. */
export interface Attribute {
  /** latin1 */
  readonly name: string;
  readonly value: Buffer;
}

export interface Found<I extends TreeInode> {
  /** latin1; empty for the root, else without a leading slash. */
  readonly path: string;
  readonly inode: I;
}

/** A file system that is read past its mount, from the bytes of its volume. */
export interface FileTree<I extends TreeInode> {
  /**
   * Each folder before what is in it, by name as bytes.
   * @param below the folder to begin at, from which paths count; empty for the root
   * @param isLeftOut with paths such as `./etc/fstab`; what lies below is left out too
   */
  walk(below: string, isLeftOut: (path: string) => boolean): Iterable<Found<I>>;
  /** Units of 512 bytes that hold data. */
  sectors(inode: I): number;
  /** Of a regular file. */
  content(found: Found<I>): Iterable<Buffer>;
  /** latin1 */
  linkTarget(inode: I): string;
  device(inode: I): { readonly major: number; readonly minor: number };
  /** In the order in which the kernel lists them. */
  attributes(inode: I): readonly Attribute[];
}
