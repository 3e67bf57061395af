import { damaged, type ExtFileSystem } from './ext-file-system.ts';
import type { Inode } from './inode.ts';

const EXTENT_MAGIC = 0xf30a;
const MAX_DEPTH = 5;
const MAX_UNWRITTEN = 32768;
const CHUNK_BYTES = 1024 * 1024;

/** Blocks that follow each other in the file and on the disk. */
interface Run {
  /** From the file's start. */
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
}

/** What the blocks of an inode hold, in order; holes, and what was never written, as zeros. */
export function* blockContent(fs: ExtFileSystem, inode: Inode): Generator<Buffer> {
  let at = 0;
  for (const { logical, physical, count } of runs(fs, inode)) {
    const start = logical * fs.blockBytes;
    if (start < at) throw damaged(`the blocks of inode ${inode.number} are out of order`);
    if (start >= inode.size) break;
    yield* zeros(start - at);
    const length = Math.min(count * fs.blockBytes, inode.size - start);
    for (let done = 0; done < length; done += CHUNK_BYTES) yield fs.read(physical, done, Math.min(CHUNK_BYTES, length - done));
    at = start + length;
  }
  yield* zeros(inode.size - at);
}

const ZEROS = Buffer.alloc(CHUNK_BYTES);

function* zeros(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= CHUNK_BYTES) yield ZEROS.subarray(0, Math.min(left, CHUNK_BYTES));
}

function runs(fs: ExtFileSystem, inode: Inode): Generator<Run> {
  return inode.layout === 'extents' ? extentRuns(fs, inode, inode.pointers, undefined) : mapRuns(fs, inode);
}

function* extentRuns(fs: ExtFileSystem, inode: Inode, node: Buffer, expectedDepth: number | undefined): Generator<Run> {
  const depth = node.readUInt16LE(6);
  const entries = node.readUInt16LE(2);
  // The depth falls with each level, so that a node cannot lead back to itself.
  if (
    node.readUInt16LE(0) !== EXTENT_MAGIC ||
    depth > MAX_DEPTH ||
    (expectedDepth !== undefined && depth !== expectedDepth) ||
    12 + entries * 12 > node.length
  )
    throw damaged(`the extents of inode ${inode.number}`);
  for (let i = 1; i <= entries; i++) {
    const at = i * 12;
    const logical = node.readUInt32LE(at);
    if (depth > 0) {
      const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
      yield* extentRuns(fs, inode, fs.block(child), depth - 1);
      continue;
    }
    const count = node.readUInt16LE(at + 4);
    // More means that the blocks were allocated and never written: a hole to whoever reads.
    if (count > MAX_UNWRITTEN) continue;
    const physical = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
    fs.checkBlocks(physical, count);
    yield { logical, physical, count };
  }
}

/** Twelve direct blocks, then blocks of blocks, in one, two and three levels. */
function* mapRuns(fs: ExtFileSystem, inode: Inode): Generator<Run> {
  const perBlock = fs.blockBytes / 4;
  const end = Math.ceil(inode.size / fs.blockBytes);
  let run: Run | undefined;
  for (const { logical, physical } of mapped(fs, inode, perBlock, end)) {
    if (run !== undefined && run.logical + run.count === logical && run.physical + run.count === physical) {
      run = { ...run, count: run.count + 1 };
      continue;
    }
    if (run !== undefined) yield run;
    fs.checkBlocks(physical, 1);
    run = { logical, physical, count: 1 };
  }
  if (run === undefined) return;
  fs.checkBlocks(run.physical, run.count);
  yield run;
}

function* mapped(fs: ExtFileSystem, { pointers }: Inode, perBlock: number, end: number): Generator<{ logical: number; physical: number }> {
  for (let i = 0; i < 12 && i < end; i++) {
    const physical = pointers.readUInt32LE(i * 4);
    if (physical !== 0) yield { logical: i, physical };
  }
  let logical = 12;
  for (let level = 1; level <= 3; level++) {
    yield* indirect(fs, pointers.readUInt32LE((11 + level) * 4), level, logical, perBlock, end);
    logical += perBlock ** level;
  }
}

function* indirect(
  fs: ExtFileSystem,
  block: number,
  level: number,
  logical: number,
  perBlock: number,
  end: number,
): Generator<{ logical: number; physical: number }> {
  if (block === 0 || logical >= end) return;
  const pointers = fs.block(block);
  const each = perBlock ** (level - 1);
  for (let i = 0; i < perBlock && logical + i * each < end; i++) {
    const physical = pointers.readUInt32LE(i * 4);
    if (physical === 0) continue;
    if (level === 1) yield { logical: logical + i, physical };
    else yield* indirect(fs, physical, level - 1, logical + i * each, perBlock, end);
  }
}
