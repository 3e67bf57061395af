import { compareVersions } from './slots.ts';
import type { GuestTree } from './guest-tree.ts';

/** A version of a system as ostree keeps it: a folder of the file system that is mounted as the root, with one /var for all versions. */
export interface Deployment {
  /** What `--root` takes, behind the volume: `fedora/3f1c9a0b2d4e.0`. */
  readonly name: string;
  /** Free of links, without a leading slash. */
  readonly path: string;
  /** The /var that it gets; undefined where there is none. */
  readonly variable: string | undefined;
}

const DEPLOY = '/ostree/deploy';
/** It is printed, and typed. */
const OS_NAME = /^[\w.+-]{1,64}$/;
const MAX_DEPLOYMENTS = 64;
const ENTRY_FOLDERS = ['/loader/entries', '/boot/loader/entries'];
const MAX_ENTRIES = 64;
const CHECKSUM_SHOWN = 12;

/** ostree's docs/deployment.md: /ostree/deploy/OS/deploy/CHECKSUM.SERIAL */
export function findDeployments(tree: GuestTree): Deployment[] {
  return tree
    .list(DEPLOY)
    .filter((os) => OS_NAME.test(os))
    .flatMap((os) => {
      const variable = folder(tree, `${DEPLOY}/${os}/var`);
      return tree.list(`${DEPLOY}/${os}/deploy`).flatMap((name): Deployment[] => {
        const [, checksum, serial] = /^([0-9a-f]{64})\.(\d+)$/.exec(name) ?? [];
        const path = folder(tree, `${DEPLOY}/${os}/deploy/${name}`);
        return path === undefined || checksum === undefined
          ? []
          : [{ name: `${os}/${checksum.slice(0, CHECKSUM_SHOWN)}.${serial}`, path, variable }];
      });
    })
    .slice(0, MAX_DEPLOYMENTS);
}

/**
 * The deployment that boots: the boot loader entry of the highest version names it by a link.
 * @param tree the file system with the deployments
 * @param others where the entries may be: a /boot of its own
 */
export function bootedDeployment(tree: GuestTree, others: readonly GuestTree[]): string | undefined {
  const entries = [tree, ...others].flatMap((boot) =>
    ENTRY_FOLDERS.flatMap((folder) =>
      boot
        .list(folder)
        .filter((name) => name.endsWith('.conf'))
        .slice(0, MAX_ENTRIES)
        .flatMap((name) => {
          const text = boot.readText(`${folder}/${name}`) ?? '';
          const link = /^options\s.*\bostree=(\/ostree\/\S+)/m.exec(text)?.[1];
          const path = link === undefined ? undefined : tree.resolve(link)?.path.slice(1);
          return path === undefined ? [] : [{ path, version: /^version\s+(\S+)/m.exec(text)?.[1] ?? '' }];
        }),
    ),
  );
  return entries.sort((a, b) => compareVersions(b.version, a.version))[0]?.path;
}

/** Without links, which could lead anywhere. */
function folder(tree: GuestTree, path: string): string | undefined {
  const resolved = tree.resolve(path);
  return resolved?.stat?.isDirectory() === true && resolved.path === path ? path.slice(1) : undefined;
}
