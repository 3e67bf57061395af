import { chmodSync, lutimesSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { chooseSlot } from './choose-slot.ts';
import { goTogether } from './discoverable.ts';
import type { Candidate, FindOptions, FoundRoot, ReadableVolume } from './candidate.ts';
import { GuestTree } from './guest-tree.ts';
import { systemName } from './os-release.ts';
import { bootedDeployment } from './ostree.ts';
import { activeSlot } from './slots.ts';

/** Of the deployments of an ostree the one that boots, where the disk says which; and never the file system that they lie in. */
export function withoutOldDeployments(candidates: readonly Candidate[], { where, note, wanted }: FindOptions): readonly Candidate[] {
  const trees = new Map(
    candidates
      .filter(({ deployment }) => deployment === undefined)
      .map((candidate) => [candidate, new GuestTree(`${where.prefix}${candidate.folder}`)]),
  );
  return [...trees].flatMap(([top, tree]) => {
    const deployments = candidates.filter(({ deployment, below }) => deployment !== undefined && below === top);
    if (deployments.length === 0) return [top];
    const booted = bootedDeployment(
      tree,
      [...trees.values()].filter((other) => other !== tree),
    );
    const active = deployments.length === 1 ? deployments[0] : deployments.find(({ deployment }) => deployment?.path === booted);
    if (active === undefined || deployments.some(({ name }) => name === wanted)) return deployments;
    for (const { name, evidence } of deployments)
      if (name !== active.name)
        note(`${name} (${systemName(evidence.osRelease)}) is left out: ${active.name} is the deployment that boots`);
    return [active];
  });
}

/** Of several roots of one type, of which each is a version of the same system, the one that is booted. */
export function withoutOldSlots(candidates: readonly Candidate[], note: FindOptions['note']): readonly Candidate[] {
  const slots = candidates
    .filter(({ evidence, score }) => score > 0 && evidence.role === 'root')
    .map((candidate) => ({ candidate, partition: candidate.source.volume.partition }));
  const active = slots.every(({ partition }) => partition?.type === slots[0]!.partition?.type) ? activeSlot(slots)?.candidate : undefined;
  if (active === undefined) return candidates;
  const old = slots.flatMap(({ candidate }) => (candidate === active ? [] : [candidate]));
  for (const { name, evidence } of old)
    note(
      `${name} (${systemName(evidence.osRelease)}) is left out: ${active.name} (${systemName(active.evidence.osRelease)}) is the version that is booted`,
    );
  return candidates.filter((candidate) => !old.includes(candidate));
}

/**
 * A /usr on a disk without a root, or with one in which nothing is yet: systemd makes the rest when it first boots.
 * @param wanted the /usr that was named
 */
export async function onlyUsr(
  candidates: readonly Candidate[],
  wanted: ReadableVolume | undefined,
  options: FindOptions,
): Promise<Pick<FoundRoot, 'root' | 'usr'> | undefined> {
  const slots = candidates.filter(({ evidence }) => evidence.isOnlyUsr).map(({ source }) => source);
  if (slots.length === 0 || candidates.some(({ score }) => score > 0)) return undefined;
  const usr = wanted ?? (await chooseSlot(slots, options));
  const { partition } = usr!.volume;
  const empty = candidates.filter(
    ({ evidence, source }) =>
      evidence.role === 'root' && !evidence.isOnlyUsr && partition !== undefined && goTogether(source.volume.partition, partition),
  );
  if (empty.length === 1) return { root: empty[0]!, usr: usr! };
  const folder = join(options.where.scratch, 'root');
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(folder, 0o755);
  lutimesSync(folder, 0, 0);
  const { evidence } = candidates.find(({ source }) => source === usr)!;
  return { root: { name: usr!.volume.name, source: usr!, subvolume: undefined, folder, evidence, score: 0, made: true }, usr: usr! };
}

/** A system of its own: a second one of these on a disk is never left out without a word. */
function isSystem({ evidence }: Candidate): boolean {
  return evidence.osRelease !== undefined && evidence.hasInit;
}

export function choose(
  candidates: readonly Candidate[],
  seen: readonly string[],
  remedies: readonly string[],
  wanted: string | undefined,
): Candidate {
  const sorted = candidates.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score);
  if (wanted !== undefined) {
    const found = candidates.find(({ name }) => name === wanted) ?? candidates.find(({ source }) => source.volume.name === wanted);
    if (found !== undefined) return found;
    throw new LayerswarmError('usage', `there is no readable root ${JSON.stringify(wanted)} on the disk${list(' (seen: ', seen, ')')}`);
  }
  const [first, second] = sorted;
  if (first === undefined) {
    const empty = candidates.map(({ name }) => `${name}: no operating system`);
    throw new LayerswarmError(
      'unsupported',
      `no operating system found on the disk${list(': ', [...seen, ...empty], '')}${list(' (what to do: ', remedies, ')')}`,
    );
  }
  if (second !== undefined && (second.score === first.score || (isSystem(first) && isSystem(second)))) {
    const names = sorted.map(
      ({ name, evidence, subvolume }) =>
        `${name} (${systemName(evidence.osRelease)}${subvolume?.taken === undefined ? '' : `, a snapshot of ${subvolume.taken} UTC`})`,
    );
    throw new LayerswarmError('usage', `the disk holds more than one system: ${names.join(', ')}; say which with --root ${first.name}`);
  }
  return first;
}

function list(before: string, items: readonly string[], after: string): string {
  return items.length === 0 ? '' : `${before}${items.join('; ')}${after}`;
}
