import { runProgram, type Surroundings } from '../program/run-program.ts';

/** btrfs: a subvolume, by the id that mounts it whatever its name. */
export interface Subvolume {
  readonly id: number;
  /** From the top level, without a leading slash; empty for the top level itself. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly isDefault: boolean;
  /** Of a snapshot: when it was taken, UTC, such as `2024-01-31 12:00:00`. */
  readonly taken?: string;
}

export const TOP_LEVEL = 5;
const MAX_SUBVOLUMES = 1000;

/** The subvolumes of a file system whose top level is mounted at `tree`. */
export async function listSubvolumes(where: Surroundings, tree: string, signal: AbortSignal | undefined): Promise<Subvolume[]> {
  const list = async (...options: string[]): Promise<Map<number, { path: string; taken: string | undefined }>> => {
    const output = await runProgram(where, 'btrfs', ['subvolume', 'list', ...options, tree], { signal });
    // A name may hold newlines and imitate a line; all that it gets is a subvolume id that does not exist.
    return new Map(
      output
        .toString('utf8')
        .split('\n')
        .flatMap((line) => {
          const match = /^ID (\d+) gen \d+ (?:cgen \d+ )?top level \d+ (?:otime (\S+ \S+) )?path (.+)$/.exec(line);
          return match === null ? [] : [[Number(match[1]), { path: match[3]!, taken: match[2] }] as const];
        })
        .slice(0, MAX_SUBVOLUMES),
    );
  };
  const all = await list();
  const readOnly = await list('-r');
  // The programs here run in UTC.
  const snapshots = await list('-s');
  const answer = (await runProgram(where, 'btrfs', ['subvolume', 'get-default', tree], { signal })).toString('utf8');
  const defaultId = Number(/^ID (\d+)/.exec(answer)?.[1] ?? TOP_LEVEL);
  return [
    { id: TOP_LEVEL, path: '', readOnly: false, isDefault: defaultId === TOP_LEVEL },
    ...[...all].map(([id, { path }]) => {
      const taken = snapshots.get(id)?.taken;
      return { id, path, readOnly: readOnly.has(id), isDefault: id === defaultId, ...(taken !== undefined && { taken }) };
    }),
  ];
}

const LISTED = 20;

/** Snapshots for a person: their names, and when they were taken. */
export function listSnapshots(snapshots: readonly Pick<Subvolume, 'path' | 'taken'>[]): string {
  const newestFirst = snapshots.toSorted((a, b) => (b.taken ?? '').localeCompare(a.taken ?? ''));
  const shown = newestFirst
    .slice(0, LISTED)
    .map(({ path, taken }) => `${JSON.stringify(path.slice(0, 200))}${taken === undefined ? '' : ` of ${taken} UTC`}`)
    .join(', ');
  return `${shown}${snapshots.length > LISTED ? `, and ${snapshots.length - LISTED} older ones` : ''}`;
}
