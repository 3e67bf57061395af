import { runProgram, type Surroundings } from '../program/run-program.ts';

/** btrfs: a subvolume, by the id that mounts it whatever its name. */
export interface Subvolume {
  readonly id: number;
  /** From the top level, without a leading slash; empty for the top level itself. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly isDefault: boolean;
}

export const TOP_LEVEL = 5;
const MAX_SUBVOLUMES = 1000;

/** The subvolumes of a file system whose top level is mounted at `tree`. */
export async function listSubvolumes(where: Surroundings, tree: string, signal: AbortSignal | undefined): Promise<Subvolume[]> {
  const list = async (...options: string[]): Promise<Map<number, string>> => {
    const output = await runProgram(where, 'btrfs', ['subvolume', 'list', ...options, tree], { signal });
    // A name may hold newlines and imitate a line; all that it gets is a subvolume id that does not exist.
    return new Map(output.toString('utf8').split('\n').flatMap((line) => {
      const match = /^ID (\d+) gen \d+ top level \d+ path (.+)$/.exec(line);
      return match === null ? [] : [[Number(match[1]), match[2]!] as const];
    }).slice(0, MAX_SUBVOLUMES));
  };
  const all = await list();
  const readOnly = await list('-r');
  const answer = (await runProgram(where, 'btrfs', ['subvolume', 'get-default', tree], { signal })).toString('utf8');
  const defaultId = Number(/^ID (\d+)/.exec(answer)?.[1] ?? TOP_LEVEL);
  return [
    { id: TOP_LEVEL, path: '', readOnly: false, isDefault: defaultId === TOP_LEVEL },
    ...[...all].map(([id, path]) => ({ id, path, readOnly: readOnly.has(id), isDefault: id === defaultId })),
  ];
}
