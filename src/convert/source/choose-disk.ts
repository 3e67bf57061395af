import { LayerswarmError } from '../../errors.ts';

/** A file in an archive. */
export interface Member {
  /** As the archive has it: a path that is compared and shown, and never opened. */
  readonly name: string;
  /** Bytes, unpacked. */
  readonly size: number;
}

const DISK_NAME = /\.(?:qcow2?|q2|img|raw|bin|dd|vmdk|vdi|vhdx?|vpc|hds|hdd|qed|ova|disk|tar|tgz|zip)(?:\.(?:gz|xz|zst|bz2|lz4))?$|^disk$/i;
const EXTENT_NAME = /-(?:[sf]\d{3}|flat)\.vmdk$/i;
/** What lies in a root file system's archive, and in no appliance's. */
const ROOT_FILES = /^(?:\.?\/)?(?:etc\/(?:os-release|passwd|fstab)|usr\/lib\/os-release|bin\/(?:sh|busybox)|usr\/bin\/(?:sh|env))$/;
const LISTED = 8;

export interface Choice<M> {
  readonly disk: M;
  /** The other files of a VMDK in several. */
  readonly beside: readonly M[];
  /** Whether it is the one that was named. */
  readonly isNamed: boolean;
}

/**
 * Which file of an archive is the disk. Where a VMDK is split into extents: the descriptor, with all the VMDKs beside it.
 * @param kind names the archive to a person
 * @param wanted the name of the one that is meant, with or without its folder
 */
export function chooseDisk<M extends Member>(members: readonly M[], kind: string, wanted?: string): Choice<M> {
  const meant =
    wanted === undefined
      ? undefined
      : (members.find(({ name }) => name === wanted) ?? members.find(({ name }) => baseName(name) === wanted));
  if (meant !== undefined)
    return { isNamed: true, disk: meant, beside: members.filter((member) => member !== meant && EXTENT_NAME.test(member.name)) };
  const names = new Set(members.map(({ name }) => name.replace(/^\.?\//, '')));
  if (names.has('oci-layout'))
    throw new LayerswarmError('usage', `the ${kind} archive is a container image and not a disk: layerswarm seed oci-archive:FILE`);
  if (names.has('manifest.json') && members.some(({ name }) => /(?:^|\/)layer\.tar$|^blobs\/sha256\//.test(name)))
    throw new LayerswarmError('usage', `the ${kind} archive is a container image and not a disk: layerswarm seed docker-archive:FILE`);
  if (members.some(({ name }) => ROOT_FILES.test(name)))
    throw new LayerswarmError(
      'usage',
      `the ${kind} archive holds the files of a root and not a disk: layerswarm seed tar:FILE makes an image of them`,
    );
  const files = members.filter(({ name, size }) => size > 0 && !/(?:^|\/)(?:\.[^/]*$|__MACOSX\/)/.test(name));
  const named = files.filter(({ name }) => DISK_NAME.test(baseName(name)));
  const candidates = named.length > 0 ? named : files;
  if (candidates.length === 0) throw new LayerswarmError('unsupported', `the ${kind} archive holds no disk image`);
  const heads = candidates.filter(({ name }) => !EXTENT_NAME.test(name));
  const [disk, another] = heads.length === 0 ? candidates : heads;
  if (disk === undefined || another !== undefined) {
    const list = candidates
      .slice(0, LISTED)
      .map(({ name }) => JSON.stringify(name.slice(0, 200)))
      .join(', ');
    throw new LayerswarmError(
      'usage',
      `the ${kind} archive holds ${candidates.length} files that could be the disk (${list}${candidates.length > LISTED ? ', …' : ''}): say which with --member`,
    );
  }
  return { isNamed: false, disk, beside: candidates.length === 1 ? [] : candidates.filter((member) => member !== disk) };
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
