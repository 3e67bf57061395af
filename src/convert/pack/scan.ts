import { once } from 'node:events';
import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import { startDaemon, type Surroundings } from '../program/run-program.ts';
import { TREE_READER, readerTask } from '../reader/reader-task.ts';
import type { Place } from '../root/assemble.ts';
import { WHITEOUT_NAME } from './strip.ts';
import { LATEST_TIME } from './tar-program.ts';

/** What a walk over one file system's tree says before anything is packed. Paths are latin1, so that every byte survives: `./etc/fstab`. */
export interface Scan {
  /** What a layer of it will have, exactly: without sockets, and without names that an overlay would take for whiteouts. */
  readonly entries: number;
  /** Bytes of the regular files, each set of hard links once. */
  readonly bytes: number;
  /** Names that an overlay would take for whiteouts. */
  readonly whiteouts: readonly string[];
  /** Files with much more length than data. */
  readonly sparse: readonly { readonly path: string; readonly bytes: number; readonly holes: number }[];
  /** Modified before 1970: a layer's header has no such time. */
  readonly beforeEpoch: number;
  /** Modified after `LATEST_TIME`: likewise. */
  readonly afterLatest: number;
  readonly sockets: number;
  /** Folders that belong to another file system: nested subvolumes of a btrfs. Each is a device of its own. */
  readonly nested: readonly { readonly path: string; readonly device: string }[];
}

export interface ScannedFile {
  /** As find says it: `f`, `d`, `l` and so on. */
  readonly type: string;
  /** latin1: `./etc/fstab` */
  readonly path: string;
  readonly inode: string;
  /** Of a regular file. */
  readonly bytes: number;
  readonly links: number;
}

/** Holes from this size on are worth a word. */
const NOTED_HOLES = 64 * 1024 * 1024;
const MAX_LISTED = 1000;
const FORMAT = String.raw`%y %D %i %s %b %n %T@ %P\0`;
const MAX_RECORD_BYTES = 64 * 1024;

/**
 * Walks a tree, with find where the kernel mounted it, without leaving its file system; holds no more than a record, and the ids of hard links.
 * @param excluded paths that will not be packed, and are not counted
 * @param visit called for everything that will be
 */
export async function scanTree(
  where: Surroundings,
  { folder, volume }: Pick<Place, 'folder' | 'volume'>,
  excluded: RegExp,
  signal: AbortSignal | undefined,
  visit?: (file: ScannedFile) => void,
): Promise<Scan> {
  const find = await (volume === undefined
    ? startDaemon(where, 'find', ['-P', folder, '-xdev', '-printf', FORMAT], 'pipe')
    : startDaemon(where, TREE_READER, [readerTask({ ...volume, kind: 'scan' })], 'pipe'));
  using _ = onAbort(signal, () => {
    find.child.kill('SIGKILL');
  });
  const tally = new Tally(excluded, visit);
  const closed = once(find.child, 'close');
  try {
    let rest = '';
    for await (const chunk of find.child.stdout!.setEncoding('latin1') as AsyncIterable<string>) {
      const records = (rest + chunk).split('\0');
      rest = records.pop()!;
      if (rest.length > MAX_RECORD_BYTES) throw new LayerswarmError('too-large', 'a path in the file system has more than 64 KiB');
      for (const record of records) tally.add(record);
    }
    await closed;
    signal?.throwIfAborted();
    // A folder that cannot be read makes an image with a hole: always fatal.
    if (find.child.exitCode !== 0) throw find.failure();
    return tally.scan;
  } finally {
    await find.stop(0);
  }
}

class Tally {
  readonly scan = {
    entries: 0,
    afterLatest: 0,
    bytes: 0,
    whiteouts: [] as string[],
    sparse: [] as { path: string; bytes: number; holes: number }[],
    beforeEpoch: 0,
    sockets: 0,
    nested: [] as { path: string; device: string }[],
  };
  #device: string | undefined;
  readonly #linked = new Set<number>();
  readonly #excluded: RegExp;
  readonly #visit: ((file: ScannedFile) => void) | undefined;

  constructor(excluded: RegExp, visit: ((file: ScannedFile) => void) | undefined) {
    this.#excluded = excluded;
    this.#visit = visit;
  }

  add(record: string): void {
    const [type, device, inode, size, blocks, links, mtime] = record.split(' ', 7) as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const path = `./${record.slice(type.length + device.length + inode.length + size.length + blocks.length + links.length + mtime.length + 7)}`;
    this.#device ??= device;
    const { scan } = this;
    if (device !== this.#device) {
      if (scan.nested.length < MAX_LISTED) scan.nested.push({ path, device });
      return;
    }
    if (this.#excluded.test(path)) return;
    if (WHITEOUT_NAME.test(path)) {
      if (scan.whiteouts.length < MAX_LISTED && path.startsWith('.wh.', path.lastIndexOf('/') + 1)) scan.whiteouts.push(path);
      return;
    }
    if (type === 's') {
      scan.sockets += 1;
      return;
    }
    scan.entries += 1;
    if (mtime.startsWith('-')) scan.beforeEpoch += 1;
    if (Number(mtime) >= LATEST_TIME + 1) scan.afterLatest += 1;
    this.#visit?.({ type, path, inode, bytes: type === 'f' ? Number(size) : 0, links: Number(links) });
    if (type !== 'f' || (links !== '1' && this.#linked.has(Number(inode)))) return;
    if (links !== '1') this.#linked.add(Number(inode));
    const bytes = Number(size);
    const holes = bytes - Number(blocks) * 512;
    scan.bytes += bytes;
    if (holes >= NOTED_HOLES && scan.sparse.length < MAX_LISTED) scan.sparse.push({ path, bytes, holes });
  }
}
