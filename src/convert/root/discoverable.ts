import { createHmac } from 'node:crypto';
import type { Partition } from '../partition/partition.ts';

/** What a partition is for, by its type alone. https://uapi-group.org/specifications/specs/discoverable_partitions_specification/ */
export type Role = 'root' | 'usr' | 'home' | 'srv' | 'var';

/** The types of root and /usr go by architecture; here are those that an image can have. Flatcar's are their own, for any. */
const ARCHITECTURES: Readonly<Record<string, readonly [root: string, usr: string]>> = {
  amd64: ['4f68bce3-e8cd-4db1-96e7-fbcaf984b709', '8484680c-9521-48c6-9c11-b0720656f69e'],
  arm64: ['b921b045-1df0-41c3-af44-4c6f280d3fae', 'b0e01050-ee5f-4390-949a-9101b17104e9'],
  arm: ['69dad710-2ce4-4e3c-b16c-21a1d49abed3', '7d0359a3-02b3-4f0a-865c-654403e70625'],
  386: ['44479540-f297-41b2-9af7-d131d5f0458a', '75250d76-8cc6-458e-bd66-bd47cc81a812'],
  riscv64: ['72ec70a6-cf74-40e6-bd49-4bda08e8f224', 'beaec34b-8442-439b-a40b-984381ed097d'],
  s390x: ['5eead9a9-fe09-4a1e-a1d7-520d00531306', '8a4f5770-50aa-4ed3-874a-99b710db6fea'],
  ppc64le: ['c31c45e6-3f39-412e-80fb-4809c4980599', '15bb03af-77e7-4d4a-b12b-c0d084f7491c'],
  loong64: ['77055800-792c-4f94-b39a-98c91b762bb6', 'e611c702-575c-4cbe-9a46-434fa0bf7e3f'],
  flatcar: ['3884dd41-8582-4404-b9a8-e9b84f2df50e', '5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6'],
  mips64le: ['700bda43-7a34-4507-b179-eeb93d7a7ca3', 'c97c1f32-ba06-40b4-9f22-236061b08aa8'],
};
const VAR_TYPE = '4d21b016-b534-45c2-a9fb-5c16e091fd2d';
const ROLES = new Map<string, Role>([
  ...Object.values(ARCHITECTURES).flatMap(
    ([root, usr]) =>
      [
        [root, 'root'],
        [usr, 'usr'],
      ] as const,
  ),
  ['933ac7e1-2eb4-4f13-b844-0e14e2aef915', 'home'],
  ['3b8f8425-20e0-4f3b-907f-1a25a76f98e8', 'srv'],
  [VAR_TYPE, 'var'],
]);
/** Bit 63 of a GPT entry's attributes: not to be mounted without being asked for. */
const NO_AUTO = 1n << 63n;

export function roleOf(partition: Partition | undefined): Role | undefined {
  return partition && ROLES.get(partition.type);
}

/** Whether systemd mounts it below the root without an fstab. */
export function isAutomatic({ attributes = 0n }: Partition): boolean {
  return (attributes & NO_AUTO) === 0n;
}

/** Whether the types of a root and of a /usr go with one architecture; a root of another type goes with any. */
export function goTogether(root: Partition | undefined, usr: Partition): boolean {
  return roleOf(root) !== 'root' || Object.values(ARCHITECTURES).some((pair) => pair[0] === root?.type && pair[1] === usr.type);
}

/**
 * The id of the one /var partition that belongs to a machine, since several systems may share a disk: sd_id128_get_machine_app_specific(3)
 * of the partition's type.
 * @param machineId the content of /etc/machine-id
 */
export function varPartitionId(machineId: string | undefined): string | undefined {
  const key = /^[0-9a-f]{32}$/.exec(machineId?.trim() ?? '')?.[0];
  if (key === undefined) return undefined;
  const id = createHmac('sha256', Buffer.from(key, 'hex'))
    .update(Buffer.from(VAR_TYPE.replaceAll('-', ''), 'hex'))
    .digest();
  id[6] = (id[6]! & 0x0f) | 0x40;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
