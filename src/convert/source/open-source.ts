import { existsSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFoldersSync } from '../../folders.ts';
import type { Cleanup } from '../cleanup.ts';
import { FileSource, WindowSource, type ByteSource } from '../header/byte-source.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE } from '../header/disk-header.ts';
import { VMDK_DESCRIPTOR_START } from '../header/vmdk.ts';
import { openDiskFile, type DiskFile, type DiskFileOptions } from '../map/disk-file.ts';
import { checkNotWritten, claimDevice, deviceSize } from '../map/in-use.ts';
import type { Surroundings } from '../program/run-program.ts';
import { baseName, chooseDisk } from './choose-disk.ts';
import { decompress, readRange, type FileRange, type Unpacking } from './decompress.ts';
import { ovaDisks } from './ovf.ts';
import { SparseFile } from './sparse-file.ts';
import { listTar, type TarMember } from './tar-index.ts';
import { joinVmdkExtents } from './vmdk-extents.ts';
import { wrappingOf, type Wrapping } from './wrapping.ts';
import { listZip, unpackZipMember } from './zip.ts';

export interface SourceOptions extends DiskFileOptions {
  /** Extents of a split VMDK that do not lie in its folder. */
  readonly extents?: readonly string[] | undefined;
  /** Further disks of the same machine. */
  readonly moreDisks?: readonly string[] | undefined;
  /** Which file of an archive is the disk, where several could be. */
  readonly member?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that were read of a packed file, and how many it has. */
  readonly onUnpack?: ((bytes: number, total: number) => void) | undefined;
  /** A line for the person: what was left out, and why. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/** An OVA in a zip archive in a compressed file: nobody sends more. */
const MAX_DEPTH = 4;
const MAX_DISKS = 16;

/** The disks of one machine: the one that was named first, and the further ones, to which options that describe one file do not apply. */
export async function openSources(image: string, where: Surroundings, options: SourceOptions, cleanup: Cleanup): Promise<DiskFile[]> {
  const { moreDisks = [], format: _, backing: __, member: ___, ...rest } = options;
  if (moreDisks.length >= MAX_DISKS)
    throw new LayerswarmError('usage', `--disk was given ${moreDisks.length} times, and a machine has at most ${MAX_DISKS} disks here`);
  const named = [image, ...moreDisks].map((file) => (existsSync(file) ? realpathSync(file) : file));
  const twice = moreDisks.find((_, i) => named.indexOf(named[i + 1]!) <= i);
  if (twice !== undefined) throw new LayerswarmError('usage', `--disk names ${JSON.stringify(twice)}, which is among the disks already`);
  const files = [await openSource(image, where, options, cleanup)];
  for (const [i, disk] of moreDisks.entries()) files.push(await openSource(disk, where, rest, cleanup, `source${i + 2}`));
  return files;
}

/**
 * The disk image in a file as it was downloaded: compressed, in a zip or tar archive or an OVA, or a VMDK that is split. What is in an
 * archive as it is, is read in place; the rest is unpacked into the scratch folder.
 */
async function openSource(
  image: string,
  where: Surroundings,
  options: SourceOptions,
  cleanup: Cleanup,
  name = 'source',
): Promise<DiskFile> {
  const unpacking: Unpacking = {
    where,
    limit: options.maxDiskSize ?? DEFAULT_MAX_VIRTUAL_SIZE,
    signal: options.signal,
    onUnpack: options.onUnpack,
  };
  const folder = join(where.scratch, name);
  const named = namedFile(image);
  if (named.device && options.liveSource !== true) claimDevice(named.path, cleanup);
  let at: Unwrapped = { ...named, isNamed: false };
  let isNamed = false;
  for (let depth = 0; ; depth++) {
    using file = new FileSource(at.path, at.offset + at.size);
    const source = new WindowSource(file, at.offset, at.size);
    const wrapping = wrappingOf(source);
    if (wrapping === undefined && options.member !== undefined && !isNamed)
      throw new LayerswarmError('usage', `--member was given, and there is no archive with a file ${JSON.stringify(options.member)}`);
    if (isDescriptor(source, options)) return splitVmdk(image, at, options, where);
    if (wrapping === undefined) return { ...openDiskFile(at.path, { ...options, range: at }), source: realpathSync(image) };
    if (depth === MAX_DEPTH) throw new LayerswarmError('unsupported', `the disk is packed more than ${MAX_DEPTH} times; unpack it first`);
    const target = join(folder, `${depth}`);
    makeFoldersSync(target, 0o700);
    at = await unwrap(wrapping, at, source, target, unpacking, options);
    isNamed ||= at.isNamed;
  }
}

/** @throws `not-found`, `usage` where it is neither file nor block device */
export function checkDiskFile(image: string): void {
  namedFile(image);
}

function namedFile(image: string): FileRange & { readonly device: boolean } {
  const stat = statSync(image, { throwIfNoEntry: false });
  if (stat === undefined) throw new LayerswarmError('not-found', `there is no disk image ${JSON.stringify(image)}`);
  const device = stat.isBlockDevice();
  if (!stat.isFile() && !device)
    throw new LayerswarmError('usage', `${JSON.stringify(image)} is not a file or block device: a disk image is one`);
  return { path: realpathSync(image), offset: 0, size: device ? deviceSize(stat) : stat.size, device };
}

/** What was in a wrapping, and whether it is what `member` names. */
type Unwrapped = FileRange & { readonly isNamed: boolean };

async function unwrap(
  wrapping: Wrapping,
  at: FileRange,
  source: ByteSource,
  target: string,
  unpacking: Unpacking,
  { member: wanted, onNote = () => undefined }: SourceOptions,
): Promise<Unwrapped> {
  switch (wrapping.kind) {
    case 'compressed': {
      const path = join(target, 'unpacked');
      await decompress(at, wrapping, path, unpacking);
      return { ...whole(path), isNamed: false };
    }
    case 'zip': {
      const { disk, beside, isNamed } = chooseDisk(listZip(source), 'zip', wanted);
      for (const member of [disk, ...beside]) await unpackZipMember(at, source, member, memberPath(target, member.name), unpacking);
      return { ...whole(memberPath(target, disk.name)), isNamed };
    }
    case 'tar': {
      const members = listTar(source);
      const disks = await ovaDisks(members, source, at, unpacking, onNote);
      const { disk, beside, isNamed } = chooseDisk(disks ?? members, disks === undefined ? 'tar' : 'OVA', wanted);
      if (beside.length === 0 && disk.sparse === undefined) return { ...inPlace(at, disk), isNamed };
      for (const member of [disk, ...beside]) await copyTarMember(at, member, memberPath(target, member.name), unpacking);
      return { ...whole(memberPath(target, disk.name)), isNamed };
    }
  }
}

function whole(path: string): FileRange {
  return { path, offset: 0, size: statSync(path).size };
}

/** A tar archive fills its members up with zeros to whole sectors, in which qemu counts. */
function inPlace(archive: FileRange, { offset, size }: TarMember): FileRange {
  return { path: archive.path, offset: archive.offset + offset, size: sectors(size) };
}

function sectors(bytes: number): number {
  return Math.ceil(bytes / 512) * 512;
}

/** A folder of our own, and a name without a folder: nothing that an archive says leads out of it. */
function memberPath(target: string, name: string): string {
  const plain = baseName(name.replaceAll('\\', '/')).replaceAll('\0', '');
  return join(target, plain === '' || plain === '.' || plain === '..' ? 'member' : plain.slice(0, 100));
}

async function copyTarMember(
  archive: FileRange,
  { offset, size, packedSize, sparse = [{ offset: 0, size }] }: TarMember,
  target: string,
  { limit, signal, onUnpack }: Unpacking,
): Promise<void> {
  // Else the data of what follows, or none at all, would be taken for its own.
  if (sparse.reduce((sum, piece) => sum + sectors(piece.size), 0) > sectors(packedSize))
    throw new LayerswarmError('unsupported', 'not a sound tar archive: the map of a sparse file is damaged');
  using file = new SparseFile(target, limit);
  let at = archive.offset + offset;
  let done = 0;
  for (const piece of sparse) {
    file.skip(piece.offset - file.size);
    for await (const chunk of readRange({ path: archive.path, offset: at, size: piece.size })) {
      signal?.throwIfAborted();
      file.write(chunk);
      done += chunk.length;
      onUnpack?.(done, packedSize);
    }
    at += sectors(piece.size);
  }
  file.skip(size - file.size);
}

function isDescriptor(source: ByteSource, { format }: SourceOptions): boolean {
  if (format !== undefined && format !== 'vmdk') return false;
  return source.read(0, Math.min(source.size, VMDK_DESCRIPTOR_START.length)).toString('latin1') === VMDK_DESCRIPTOR_START;
}

function splitVmdk(
  image: string,
  { path, offset }: FileRange,
  { extents = [], backing = [], maxDiskSize = DEFAULT_MAX_VIRTUAL_SIZE, liveSource = false }: SourceOptions,
  { scratch }: Surroundings,
): DiskFile {
  if (offset !== 0) throw new LayerswarmError('unsupported', 'the archive holds a VMDK descriptor without the extents that it names');
  if (backing.length > 0) throw new LayerswarmError('usage', '--backing was given, and the vmdk file has no backing file');
  const { descriptor, header, files } = joinVmdkExtents(path, extents, scratch, { maxVirtualSize: maxDiskSize });
  if (!liveSource) for (const file of files) checkNotWritten(file);
  return { path: descriptor, header, source: realpathSync(image), extents: files, ...(liveSource && { live: true }) };
}
