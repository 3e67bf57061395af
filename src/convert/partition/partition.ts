/** One partition, as its table gives it; `map/` checks that it lies inside the disk. */
export interface Partition {
  /** As Linux numbers it, from 1; logical partitions of an MBR from 5. */
  readonly number: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** GPT: the type's GUID in lower case; MBR: two hexadecimal digits. */
  readonly type: string;
  /** PARTUUID as fstab writes it: a GUID, or `<disk signature>-<number>`. */
  readonly uuid: string;
  /** PARTLABEL; GPT only. */
  readonly label?: string;
  /** GPT only: the bits of the entry. */
  readonly attributes?: bigint;
}

export interface PartitionTable {
  /** `none`: a file system, or LVM, begins at the disk's first byte. */
  readonly kind: 'gpt' | 'mbr' | 'none';
  readonly sectorSize: 512 | 4096;
  readonly partitions: readonly Partition[];
}

/** More partitions than this are a hostile table. */
export const MAX_PARTITIONS = 128;
