import { createHash } from 'node:crypto';
import { renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { LayerswarmError } from '../errors.ts';
import { makeFoldersSync } from '../folders.ts';
import type { Platform } from '../oci/descriptor.ts';
import { Digest } from '../oci/digest.ts';
import { adaptationEntries, usesSystemd } from './adapt/adaptation.ts';
import { writeLayerTar } from './adapt/write-layer.ts';
import type { BackendName } from './backend.ts';
import { Cleanup, makeScratch, removeStale } from './cleanup.ts';
import { writeArchive } from './image/archive.ts';
import { createdTime, imageConfig } from './image/image-config.ts';
import { checkLayoutFolder, writeLayout, type ImageInput } from './image/layout.ts';
import { sourceState } from './map/in-use.ts';
import { openSystem, type OpenOptions, type OpenSystem } from './open-system.ts';
import type { ConvertOutput } from './output.ts';
import { packLayer, type Compression, type PackedLayer } from './pack/pack-layer.ts';
import { planLayers, type LayerPlan } from './pack/plan-layers.ts';
import type { Keepable } from './pack/strip.ts';
import { runProgram, type Surroundings } from './program/run-program.ts';
import { readPlatform } from './root/architecture.ts';
import { readOsRelease, systemName } from './root/os-release.ts';
import { diskName } from './source/disk-name.ts';
import { fileDigest } from './source-digest.ts';

export interface ConvertOptions extends OpenOptions {
  /** gzip unless given; a `tar:` output is uncompressed unless given. */
  readonly compression?: Compression | undefined;
  /** The layer on top with which systemd comes up; true unless given. */
  readonly adapt?: boolean | undefined;
  readonly keep?: ReadonlySet<Keepable> | undefined;
  /** Guest paths to leave out; `*` matches anything. */
  readonly exclude?: readonly string[] | undefined;
  /** `packages`: each large package of a dpkg system, and groups of small ones, in layers that other systems can share. */
  readonly split?: 'packages' | undefined;
  /** What `docker load` calls the image; after the disk's file otherwise. */
  readonly name?: string | undefined;
  /** Of the image's configuration; none unless given. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** SOURCE_DATE_EPOCH: seconds. */
  readonly sourceDateEpoch?: string | undefined;
  /** Whether the disk's own digest is put into an annotation, which reads the whole file; true unless given. */
  readonly sourceDigest?: boolean | undefined;
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

export interface ConvertProgress {
  /** Bytes of the layer so far, uncompressed. */
  readonly bytes: number;
  /** About how many it will be. */
  readonly estimatedBytes: number;
}

export interface ConvertReceipt {
  readonly system: string;
  readonly platform: Platform;
  /** Where the root was found, e.g. `p1`. */
  readonly root: string;
  readonly backend: BackendName;
  /** The image's manifest; undefined for a `tar:` output. */
  readonly manifest?: Digest;
  readonly name?: string;
  readonly layers: readonly { readonly digest: Digest; readonly diffId: Digest; readonly size: number; readonly diffSize: number }[];
  readonly notes: readonly string[];
}

/**
 * Converts a disk image. The source is only read; nothing stays mounted or running, whatever happens.
 * @throws LayerswarmError; see the parts
 */
export async function convertDisk(image: string, output: ConvertOutput, options: ConvertOptions = {}): Promise<ConvertReceipt> {
  const parent = output.kind === 'layout' ? output.dir : dirname(resolve(output.file));
  if (isFolder(parent)) await removeStale(parent);
  if (output.kind === 'layout') checkLayoutFolder(output.dir);
  if (output.kind === 'tar' && options.split !== undefined)
    throw new LayerswarmError('usage', 'a tar: output is one layer: leave out --split, or choose oci: or oci-archive:');
  const notes: string[] = [];
  const onNote = (line: string): void => {
    notes.push(line);
    options.onNote?.(line);
  };
  await using cleanup = new Cleanup();
  const images = [image, ...(options.moreDisks ?? [])];
  const before = sourceState(images);
  const system = await openSystem(image, { ...options, onNote }, cleanup);
  // Asked before hours of packing: without programs that some machine runs it is no image.
  const platform = readPlatform(system.tree);
  makeFoldersSync(parent);
  // On the output's own disk, so that what is finished is moved and not copied.
  const staging = await makeScratch(cleanup, parent);
  const extents = system.files.flatMap(({ extents = [] }) => extents);
  const extentsBefore = sourceState(extents);
  const checkSource = (): void => {
    if (options.liveSource !== true && (sourceState(images) !== before || sourceState(extents) !== extentsBefore))
      throw new LayerswarmError(
        'verification-failed',
        `${images.map((name) => JSON.stringify(name)).join(' or ')} was written to while it was read: stop the machine that uses it, and convert again`,
      );
  };
  const conversion: Conversion = { system, platform, staging, checkSource, options: { ...options, onNote } };
  const result = await (output.kind === 'tar' ? convertToTar(conversion, output.file) : convertToImage(conversion, output, image));
  return {
    system: systemName(readOsRelease(system.tree)),
    platform,
    root: system.root.name,
    backend: system.backend.name,
    ...result,
    notes,
  };
}

interface Conversion {
  readonly system: OpenSystem;
  readonly platform: Platform;
  /** A folder beside the output, for what does not have its name yet. */
  readonly staging: string;
  /** Throws if the disk changed since it was opened: asked before anything gets its name. */
  readonly checkSource: () => void;
  readonly options: ConvertOptions;
}

/** An OCI layout folder from a disk image: what `seed disk:` takes on from. */
export async function convertToLayout(image: string, dir: string, options: ConvertOptions = {}): Promise<ConvertReceipt> {
  return await convertDisk(image, { kind: 'layout', dir }, options);
}

type Result = Pick<ConvertReceipt, 'layers' | 'manifest' | 'name'>;

async function convertToTar({ system, staging, checkSource, options }: Conversion, file: string): Promise<Result> {
  const [layer] = await packSystem(system, () => join(staging, 'layer'), options.compression ?? 'none', options);
  checkSource();
  renameSync(layer!.file, file);
  return { layers: [receiptOf(layer!)] };
}

async function convertToImage(
  { system, platform, staging, checkSource, options }: Conversion,
  output: Exclude<ConvertOutput, { kind: 'tar' }>,
  image: string,
): Promise<Result> {
  const compression = options.compression ?? 'gzip';
  const abort = new AbortController();
  const signal = AbortSignal.any([abort.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const hashing = options.sourceDigest === false ? undefined : fileDigests(system, signal);
  // Awaited below; when packing fails first, its own failure is what counts.
  hashing?.catch(() => undefined);
  let layers: NamedLayer[];
  try {
    layers = await packSystem(system, (i) => join(staging, `layer${i}`), compression, options);
  } catch (error) {
    abort.abort(error);
    throw error;
  }
  const adapted = options.adapt !== false;
  if (adapted)
    layers.push({
      name: 'adaptation to a container',
      ...(await packAdaptation(system, join(staging, 'adaptation'), compression, options.keep?.has('machine-id') ?? false)),
    });
  const created = createdTime(options.sourceDateEpoch);
  const name = options.name ?? imageName(image);
  const input: ImageInput = {
    config: imageConfig({
      platform,
      created,
      labels: options.labels,
      layers: layers.map(({ diffId, name }) => ({ diffId, createdBy: `layerswarm convert: ${name}` })),
      init: !adapted ? 'none' : usesSystemd(system.tree) ? 'systemd' : 'init',
    }),
    layers,
    platform: { ...platform },
    annotations: await annotations(system, layers, created, hashing),
    name,
    tag: output.tag,
  };
  const dir = output.kind === 'layout' ? output.dir : join(staging, 'layout');
  if (output.kind === 'layout') checkSource();
  const { manifest } = writeLayout(dir, input);
  if (output.kind === 'archive') {
    const archive = join(staging, 'archive');
    await writeArchive(dir, archive, options.signal);
    checkSource();
    renameSync(archive, output.file);
  }
  return { manifest, name, layers: layers.map(receiptOf) };
}

interface NamedLayer extends PackedLayer {
  /** What is in it, for a person. */
  readonly name: string;
}

/** @param output path of the layer with a number */
async function packSystem(
  system: OpenSystem,
  output: (i: number) => string,
  compression: Compression,
  options: ConvertOptions,
): Promise<NamedLayer[]> {
  const { keep = new Set<Keepable>(), exclude = [], split, onNote = () => undefined, onProgress, signal } = options;
  const plan = await planLayers(system, { keep, exclude, split: split === 'packages', onNote, signal });
  const layers: NamedLayer[] = [];
  const estimated = plan.expected.bytes + plan.expected.entries * 1024;
  let packed = 0;
  for (const [i, { name, trees }] of plan.layers.entries()) {
    const layer = await packLayer(trees, {
      where: system.where,
      output: output(i),
      compression,
      signal,
      onProgress:
        onProgress &&
        ((bytes) => {
          onProgress({ bytes: packed + bytes, estimatedBytes: Math.max(packed + bytes, estimated) });
        }),
    });
    packed += layer.diffSize;
    layers.push({ ...layer, name: name === '' ? systemName(readOsRelease(system.tree)) : name });
  }
  onProgress?.({ bytes: packed, estimatedBytes: packed });
  const sum = (value: (layer: PackedLayer) => number): number => layers.reduce((total, layer) => total + value(layer), 0);
  checkComplete({ entries: sum(({ entries }) => entries), bytes: sum(({ bytes }) => bytes) }, plan.expected);
  const dropped = sum(({ droppedDevices }) => droppedDevices);
  if (dropped > 0) onNote(`left out ${dropped} character devices 0:0, which mean "deleted" in an overlay`);
  return layers;
}

/** That the layers have what the file systems have: a program that skips something, or reads it short, must not do so unseen. */
export function checkComplete(packed: LayerPlan['expected'], expected: LayerPlan['expected']): void {
  if (packed.entries === expected.entries && packed.bytes === expected.bytes) return;
  throw new LayerswarmError(
    'verification-failed',
    `the layer has ${packed.entries} entries with ${packed.bytes} bytes, and the file system has ${expected.entries} with ${expected.bytes}: nothing was kept of it; try another --backend`,
  );
}

async function packAdaptation({ tree }: OpenSystem, file: string, compression: Compression, keepMachineId: boolean): Promise<PackedLayer> {
  const entries = adaptationEntries(tree, keepMachineId);
  const tar = await writeLayerTar(entries);
  const bytes = compression === 'none' ? tar : compression === 'gzip' ? gzipSync(tar) : zstdCompressSync(tar);
  writeFileSync(file, bytes, { flag: 'wx', flush: true });
  return {
    file,
    diffId: Digest.of(tar),
    diffSize: tar.length,
    digest: Digest.of(bytes),
    size: bytes.length,
    compression,
    compressor: undefined,
    entries: entries.length,
    bytes: 0,
    droppedDevices: 0,
  };
}

/** What tells where the image came from, and which programs in which versions decided its bytes. */
async function annotations(
  system: OpenSystem,
  layers: readonly PackedLayer[],
  created: string,
  source: Promise<Digest[]> | undefined,
): Promise<Record<string, string>> {
  const partition = system.root.source.volume.partition;
  return {
    'org.opencontainers.image.created': created,
    'org.opencontainers.image.title': systemName(readOsRelease(system.tree)),
    'io.layerswarm.disk.format': system.files.map(({ header }) => header.format).join(' '),
    'io.layerswarm.disk.root': system.root.name,
    ...(partition !== undefined && { 'io.layerswarm.disk.partuuid': partition.uuid }),
    ...(source !== undefined && { 'io.layerswarm.disk.digest': (await source).join(' ') }),
    'io.layerswarm.tar': await tarVersion(system.where),
    ...(layers[0]?.compressor !== undefined && { 'io.layerswarm.compressor': layers[0].compressor }),
  };
}

/** One after the other: they are read from one disk of the host as a rule. */
async function fileDigests({ files }: OpenSystem, signal: AbortSignal): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const { source } of files) digests.push(await fileDigest(source, signal));
  return digests;
}

async function tarVersion(where: Surroundings): Promise<string> {
  return (await runProgram(where, 'tar', ['--version'])).toString('utf8').split('\n', 1)[0]!;
}

function receiptOf({ digest, diffId, size, diffSize }: PackedLayer): ConvertReceipt['layers'][number] {
  return { digest, diffId, size, diffSize };
}

/** `/images/Debian 12.qcow2` → `debian-12:latest` */
export function imageName(image: string): string {
  const name = diskName(image)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${name === '' ? `disk-${createHash('sha256').update(image).digest('hex').slice(0, 8)}` : name.slice(0, 100)}:latest`;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
