import { readFileSync, writeSync } from 'node:fs';
import { FileSource, WindowSource } from '../header/byte-source.ts';
import { TAR_BLOCK } from '../pack/tar-header.ts';
import { ErofsTree } from '../erofs/erofs-tree.ts';
import { ExtTree } from '../ext/ext-tree.ts';
import type { InodeType } from './file-tree.ts';
import type { FileTree, Found, TreeInode } from './file-tree.ts';
import type { ReaderTask } from './reader-task.ts';
import { tarHeaders, type TarEntry } from './tar-writer.ts';

/*
 * A program of its own, beside find and tar, which it stands for where a file system is not mounted by the kernel: it parses what a
 * hostile disk holds, and so runs where they do. Its one argument is a `ReaderTask`.
 */
const TAR_TYPES: Readonly<Record<Exclude<InodeType, 's'>, TarEntry['type']>> = { f: '0', l: '2', c: '3', b: '4', d: '5', p: '6' };
const ATTRIBUTES = /^(?:user\.|security\.capability$|system\.posix_acl_)/;
const BUFFER_BYTES = 256 * 1024;

class Output {
  readonly #bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;

  write(part: Buffer): void {
    if (this.#used + part.length > BUFFER_BYTES) this.flush();
    if (part.length > BUFFER_BYTES) {
      writeAll(part);
      return;
    }
    part.copy(this.#bytes, this.#used);
    this.#used += part.length;
  }

  flush(): void {
    writeAll(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
  }
}

function writeAll(bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function scan<I extends TreeInode>(tree: FileTree<I>, { below = '' }: ReaderTask, output: Output): void {
  for (const { path, inode } of tree.walk(below, () => false)) {
    const { type, number, size, links, mtime } = inode;
    output.write(Buffer.from(`${type!} 0 ${number} ${size} ${tree.sectors(inode)} ${links} ${mtime} ${path}\0`, 'latin1'));
  }
}

function pack<I extends TreeInode>(
  tree: FileTree<I>,
  { below = '', at = '/', excluded = '(?!)', only, without }: ReaderTask,
  output: Output,
): void {
  const pattern = new RegExp(excluded);
  const wanted = only === undefined ? undefined : readNames(only, '\0');
  const unwanted = without === undefined ? new Set<string>() : readNames(without, '\n');
  /** First names of inodes with several. */
  const first = new Map<number, string>();
  for (const found of tree.walk(below, (path) => pattern.test(path) || unwanted.has(path))) {
    const { path, inode } = found;
    if (inode.type === 's' || wanted?.has(`./${path}`) === false) continue;
    const name = `.${at === '/' ? '' : at}/${path}`.replace(/\/$/, '');
    const known = inode.type === 'd' ? undefined : first.get(inode.number);
    if (known === undefined) packEntry(tree, name, found, output);
    else output.write(tarHeaders({ ...fieldsOf(inode), name, type: '1', size: 0, target: known, attributes: [] }));
    if (known === undefined && inode.type !== 'd' && inode.links > 1) first.set(inode.number, name);
  }
}

function readNames(file: string, end: string): Set<string> {
  return new Set(readFileSync(file, 'latin1').split(end));
}

function packEntry<I extends TreeInode>(tree: FileTree<I>, name: string, found: Found<I>, output: Output): void {
  const { inode } = found;
  const type = TAR_TYPES[inode.type as Exclude<InodeType, 's'>];
  output.write(
    tarHeaders({
      ...fieldsOf(inode),
      name: inode.type === 'd' ? `${name}/` : name,
      type,
      target: inode.type === 'l' ? tree.linkTarget(inode) : '',
      size: inode.type === 'f' ? inode.size : 0,
      ...(type === '3' || type === '4' ? tree.device(inode) : {}),
      attributes: tree.attributes(inode).filter(({ name }) => ATTRIBUTES.test(name)),
    }),
  );
  if (inode.type !== 'f') return;
  for (const part of tree.content(found)) output.write(part);
  output.write(Buffer.alloc(-inode.size & (TAR_BLOCK - 1)));
}

function fieldsOf({ mode, uid, gid, mtime }: TreeInode): Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'major' | 'minor'> {
  return { mode, uid, gid, mtime, major: 0, minor: 0 };
}

function run<I extends TreeInode>(tree: FileTree<I> | undefined, task: ReaderTask): void {
  if (tree === undefined) throw new Error('a feature of the file system is not known');
  const output = new Output();
  if (task.kind === 'scan') scan(tree, task, output);
  else pack(tree, task, output);
  output.flush();
}

function main(): void {
  const task = JSON.parse(process.argv[2]!) as ReaderTask;
  using file = new FileSource(task.file, task.offset + task.size);
  const volume = new WindowSource(file, task.offset, task.size);
  if (task.unpacked === undefined) run(ExtTree.open(volume), task);
  else run(ErofsTree.open(volume, task.unpacked), task);
}

try {
  main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
