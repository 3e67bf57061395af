import type { Partition } from '../partition/partition.ts';

/** One of several partitions that hold the same part of a system in different versions, of which an update writes the one that is not in use. */
export interface Slot {
  readonly partition: Partition | undefined;
}

/** Types of ChromeOS and of what came of it: their attributes say which slot the boot loader takes. */
const WITH_PRIORITY = new Set(['5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6']);
/** systemd-sysupdate(8): what a slot without content is called. */
const EMPTY_LABEL = '_empty';

/**
 * The slot that would be booted; undefined where nothing says so. By the attributes of GPT entries (bits 48 to 51 priority, 52 to 55 tries
 * left, 56 booted before) where the type has them, else by the newest version in the labels, as systemd chooses.
 */
export function activeSlot<S extends Slot>(slots: readonly S[]): S | undefined {
  const [first] = slots;
  if (slots.length <= 1) return first;
  if (slots.every(({ partition }) => partition !== undefined && WITH_PRIORITY.has(partition.type))) {
    const bootable = slots.filter(({ partition }) => isBootable(partition?.attributes ?? 0n)).sort((a, b) => priority(b) - priority(a));
    return bootable[0];
  }
  const versions = slots
    .flatMap((slot) => {
      const label = slot.partition?.label ?? '';
      const [, name, version] = /^(.*?)[_-]?v?(\d[\w.~^+-]*)$/.exec(label) ?? [];
      return label === EMPTY_LABEL ? [] : [{ slot, name, version }];
    })
    .sort((a, b) => compareVersions(b.version ?? '', a.version ?? ''));
  const [newest, next] = versions;
  if (newest === undefined || next === undefined) return newest?.slot;
  const isSure = versions.every(({ name, version }) => version !== undefined && name === newest.name) && newest.version !== next.version;
  return isSure ? newest.slot : undefined;
}

function isBootable(attributes: bigint): boolean {
  const isTried = ((attributes >> 52n) & 0xfn) > 0n || ((attributes >> 56n) & 1n) === 1n;
  return ((attributes >> 48n) & 0xfn) > 0n && isTried;
}

function priority({ partition }: Slot): number {
  return Number(((partition?.attributes ?? 0n) >> 48n) & 0xfn);
}

function partsOf(version: string): string[] {
  return version.match(/\d+|[^\d]+/g) ?? [];
}

/** Numbers by their value, whatever lies between them by its characters; a tilde is before everything. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x = '', y = ''] = [left[i], right[i]];
    if (x === y) continue;
    if (/^\d/.test(x) && /^\d/.test(y)) {
      const difference = BigInt(x) - BigInt(y);
      if (difference === 0n) continue;
      return difference < 0n ? -1 : 1;
    }
    if (x.startsWith('~') !== y.startsWith('~')) return x.startsWith('~') ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}
