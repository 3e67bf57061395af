import { LayerswarmError } from '../../errors.ts';
import type { FindOptions, ReadableVolume } from './candidate.ts';
import { GuestTree } from './guest-tree.ts';
import { readOsRelease, systemName } from './os-release.ts';
import { activeSlot } from './slots.ts';

/**
 * Which of several /usr is booted.
 * @throws LayerswarmError `usage` with all of them and their versions, where nothing on the disk says so
 */
export async function chooseSlot(
  slots: readonly ReadableVolume[],
  { where, mounter }: Pick<FindOptions, 'where' | 'mounter'>,
): Promise<ReadableVolume | undefined> {
  const sound = slots.filter(({ refused }) => refused === undefined);
  const active = activeSlot(sound.map((source) => ({ source, partition: source.volume.partition })))?.source;
  if (active !== undefined || sound.length === 0) return active ?? slots[0];
  const named = await Promise.all(
    sound.map(async ({ volume, filesystem }) => {
      const tree = new GuestTree(`${where.prefix}${(await mounter.mount(volume, filesystem)).path}`);
      return `${volume.name} (${systemName(readOsRelease(tree) ?? tree.readText('/lib/os-release'))})`;
    }),
  );
  throw new LayerswarmError(
    'usage',
    `the disk has more than one /usr, and nothing says which is booted: ${named.join(', ')}; say which with --root ${sound[0]!.volume.name}`,
  );
}
