import { LayerswarmError } from '../../errors.ts';
import { askBlkid } from '../filesystem/ask-blkid.ts';
import { REMEDIES, type Remedy } from '../filesystem/foreign-volumes.ts';
import { probeVolume } from '../filesystem/probe.ts';
import { FileSource, WindowSource } from '../header/byte-source.ts';
import type { MappedDisk } from '../map/volume.ts';
import type { MountedTree } from '../mount/mounter.ts';
import { incomplete, noRootBut, unreadable } from './broken.ts';
import type { Candidate, FindOptions, FoundRoot, ReadableVolume } from './candidate.ts';
import { choose, onlyUsr, withoutOldDeployments, withoutOldSlots } from './choose-root.ts';
import { gatherEvidence, score } from './evidence.ts';
import { GuestTree, latin1 } from './guest-tree.ts';
import { findDeployments } from './ostree.ts';
import { listSnapshots, listSubvolumes, TOP_LEVEL, type Subvolume } from './subvolumes.ts';

/** Mounts what can be read, and chooses the root; where several could be it, says which and asks. */
export async function findRoot(disk: MappedDisk, options: FindOptions): Promise<FoundRoot> {
  const { volumes, other } = await probeAll(disk, options);
  const usr = await wantedUsr(volumes, options);
  const { wanted } = usr === undefined ? options : {};
  const all: Candidate[] = [];
  const readable: ReadableVolume[] = [];
  for (const source of volumes) {
    const isMeant = wanted === undefined || wanted === source.volume.name || wanted.startsWith(`${source.volume.name}:`);
    const result =
      source.refused === undefined && isMeant
        ? await candidatesOf(source, options)
        : isMeant && wanted !== undefined
          ? (source.broken ?? [])
          : [];
    if (result instanceof LayerswarmError) readable.push({ ...source, refused: result.message, broken: result });
    else readable.push(source);
    if (!(result instanceof LayerswarmError)) all.push(...result, ...result.flatMap((top) => deploymentsIn(top, options)));
    else if (wanted !== undefined) throw result;
  }
  const candidates = withoutOldDeployments(all, options);
  const seen = [
    ...readable.flatMap(({ volume, filesystem, refused }) =>
      refused === undefined ? [] : [`${volume.name}: ${filesystem.kind}; ${refused}`],
    ),
    ...other.map(({ line }) => line),
  ];
  const broken = readable.flatMap(({ broken }) => broken ?? []);
  if (wanted === undefined && !candidates.some(({ score }) => score > 0)) {
    const error = noRootBut(broken);
    if (error !== undefined) throw error;
  }
  const remedies = [...new Set(other.flatMap(({ remedy }) => (remedy === 'none' ? [] : [REMEDIES[remedy]])))];
  const found = (await onlyUsr(candidates, usr, options)) ?? {
    root: choose(wanted === undefined ? withoutOldSlots(candidates, options.note) : candidates, seen, remedies, wanted),
    ...(usr && { usr }),
  };
  for (const warning of disk.warnings) options.note(warning);
  for (const { message } of broken) options.note(`left out: ${message}`);
  for (const { line } of other.filter(({ isLoss }) => isLoss)) options.note(`left out: ${line}`);
  return { ...found, readable };
}

/** The /usr that `--root` names: what is meant is the system that it belongs to. */
async function wantedUsr(volumes: readonly ReadableVolume[], options: FindOptions): Promise<ReadableVolume | undefined> {
  const source = volumes.find(({ volume }) => volume.name === options.wanted);
  if (source === undefined || source.refused !== undefined || source.filesystem.kind === 'btrfs') return undefined;
  const found = await candidatesOf(source, options);
  return Array.isArray(found) && found[0]?.evidence.isOnlyUsr === true ? source : undefined;
}

/** The possible roots in a volume; an error where it cannot be read, which need not stop the others. */
async function candidatesOf(source: ReadableVolume, options: FindOptions): Promise<Candidate[] | LayerswarmError> {
  try {
    if (source.filesystem.kind === 'btrfs') return await btrfsCandidates(source, options);
    return [candidate(source, undefined, await options.mounter.mount(source.volume, source.filesystem), options)];
  } catch (error) {
    return unreadable(source.volume, source.filesystem, error);
  }
}

interface OtherVolume {
  /** Which it is, and what is on it. */
  readonly line: string;
  /** Whether somebody may miss it: swap space and boot loaders nobody does. */
  readonly isLoss: boolean;
  readonly remedy: Remedy;
}

async function probeAll(
  disk: MappedDisk,
  { where, mounter, signal }: FindOptions,
): Promise<{ volumes: ReadableVolume[]; other: OtherVolume[] }> {
  const volumes: ReadableVolume[] = [];
  const other: OtherVolume[] = disk.unreadable.map((line) => ({ line, isLoss: true, remedy: 'none' }));
  for (const volume of disk.volumes) {
    using file = new FileSource(`${where.prefix}${volume.file}`, volume.offset + volume.size);
    const source = new WindowSource(file, volume.offset, volume.size);
    const probe = probeVolume(source);
    if (probe.found === 'other' || probe.found === 'nothing') {
      const known = probe.found === 'other' ? probe : await askBlkid(where, source, signal);
      other.push({
        line: `${volume.name}: ${known?.what ?? 'no known file system'}`,
        isLoss: known !== undefined && known.swap !== true && !known.what.startsWith('FAT'),
        remedy: known?.remedy ?? 'none',
      });
    }
    if (probe.found !== 'filesystem') continue;
    const { filesystem } = probe;
    const broken = incomplete(volume, filesystem);
    volumes.push({ volume, filesystem, refused: broken?.message ?? mounter.refuses(filesystem), ...(broken && { broken }) });
  }
  return { volumes, other };
}

function candidate(
  source: ReadableVolume,
  subvolume: Subvolume | undefined,
  { path, volume }: MountedTree,
  { where }: FindOptions,
): Candidate {
  const folder = `${where.prefix}${path}`;
  const evidence = gatherEvidence(new GuestTree(folder), source.volume, source.filesystem, subvolume?.path);
  const name = subvolume === undefined || subvolume.path === '' ? source.volume.name : `${source.volume.name}:${subvolume.path}`;
  return { name, source, subvolume, folder: path, volume, evidence, score: score(evidence) };
}

/** The versions of a system that ostree keeps in a file system. */
function deploymentsIn(top: Candidate, { where }: FindOptions): Candidate[] {
  return findDeployments(new GuestTree(`${where.prefix}${top.folder}`)).map((deployment) => {
    const folder = `${top.folder}/${deployment.path}`;
    const evidence = gatherEvidence(
      new GuestTree(`${where.prefix}${folder}`),
      top.source.volume,
      top.source.filesystem,
      top.subvolume?.path,
    );
    return {
      ...top,
      name: `${top.name}:${deployment.name}`,
      folder,
      evidence,
      score: score(evidence),
      deployment,
      below: top,
      ...(top.volume && { volume: { ...top.volume, below: latin1(deployment.path) } }),
    };
  });
}

/** The default subvolume decides where it holds a system; else every writable one is looked at. */
async function btrfsCandidates(source: ReadableVolume, options: FindOptions): Promise<Candidate[]> {
  const { mounter, where, wanted, note, signal } = options;
  const top = await mounter.mount(source.volume, source.filesystem, TOP_LEVEL);
  const subvolumes = await listSubvolumes(where, top.path, signal);
  const snapshots = subvolumes.filter(({ readOnly }) => readOnly);
  if (snapshots.length > 0)
    note(
      `${source.volume.name}: left out ${snapshots.length} read-only snapshot${snapshots.length === 1 ? '' : 's'}: ${listSnapshots(snapshots)}; --root ${source.volume.name}:NAME takes one`,
    );
  const candidates: Candidate[] = [];
  for (const subvolume of subvolumes) {
    const isWanted = wanted === `${source.volume.name}:${subvolume.path}`;
    if (subvolume.readOnly && !isWanted) continue;
    const tree = subvolume.id === TOP_LEVEL ? top : await mounter.mount(source.volume, source.filesystem, subvolume.id);
    candidates.push(candidate(source, subvolume, tree, options));
  }
  // A writable snapshot of a root looks like a root; the fstab in it names the one that it was taken of.
  const systems = candidates.filter(({ score }) => score > 0);
  const chosen = systems.filter(({ evidence }) => evidence.namesItself);
  const byDefault = systems.filter(({ subvolume }) => subvolume?.isDefault);
  if (wanted !== undefined && wanted !== source.volume.name) return candidates;
  return chosen.length === 1 ? chosen : byDefault.length === 1 ? byDefault : candidates;
}
