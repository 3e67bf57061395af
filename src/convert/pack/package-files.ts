import { LayerswarmError } from '../../errors.ts';
import type { GuestTree } from '../root/guest-tree.ts';

const DPKG_INFO = '/var/lib/dpkg/info';
const MAX_LIST_BYTES = 32 * 1024 * 1024;
/** Some ten times what a large desktop has. */
const MAX_FILES = 4_000_000;
/** Elsewhere packages put what the machine then changes. */
const UNCHANGED = '/usr/';

/**
 * Which package each file below /usr belongs to, by dpkg's own lists (dpkg(1), "info/package.list"). What two packages claim, such as
 * a file that one of them diverts, is left out. Paths are free of links, in latin1; undefined where there is no such database.
 */
export function packageFiles(tree: GuestTree): Map<string, string> | undefined {
  const lists = tree.list(DPKG_INFO).filter((name) => name.endsWith('.list'));
  if (lists.length === 0) return undefined;
  const owners = new Map<string, string>();
  const claimed = new Set<string>();
  const folders = new Map<string, string | undefined>();
  for (const list of lists) {
    const owner = list.slice(0, -'.list'.length);
    const paths = tree.readFile(`${DPKG_INFO}/${list}`, MAX_LIST_BYTES)?.toString('latin1').split('\n') ?? [];
    for (const [i, listed] of paths.entries()) {
      // A folder stands before what is in it.
      if (listed === '' || paths[i + 1]?.startsWith(`${listed}/`) === true) continue;
      const path = withoutLinks(tree, listed, folders);
      if (path?.startsWith(UNCHANGED) !== true) continue;
      const other = owners.get(path);
      if (other !== undefined && other !== owner) claimed.add(path);
      owners.set(path, owner);
      if (owners.size > MAX_FILES)
        throw new LayerswarmError('too-large', `the packages of the system have more than ${MAX_FILES} files: convert without --split`);
    }
  }
  for (const path of claimed) owners.delete(path);
  return owners;
}

/** dpkg says /lib/x where /lib is a link to /usr/lib. */
function withoutLinks(tree: GuestTree, path: string, folders: Map<string, string | undefined>): string | undefined {
  const slash = path.lastIndexOf('/');
  const folder = path.slice(0, slash);
  if (!folders.has(folder)) {
    const resolved = tree.resolve(Buffer.from(folder, 'latin1').toString('utf8'));
    folders.set(folder, resolved?.stat?.isDirectory() === true ? Buffer.from(resolved.path, 'utf8').toString('latin1') : undefined);
  }
  const resolved = folders.get(folder);
  return resolved === undefined ? undefined : `${resolved === '/' ? '' : resolved}${path.slice(slash)}`;
}
