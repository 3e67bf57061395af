import { readIfThere, type ByteSource } from '../header/byte-source.ts';

/** What a person can do about a volume that cannot be read here. */
export type Remedy = 'mount' | 'unlock' | 'assemble' | 'none';

export const REMEDIES: Readonly<Record<Exclude<Remedy, 'none'>, string>> = {
  mount: 'mount it where it came from, and seed its files: tar -C FOLDER --xattrs -cpf root.tar . && layerswarm seed tar:root.tar',
  unlock:
    'name a file with its passphrase with --key-file, or unlock it on a host that you trust (cryptsetup open --readonly), and convert the device /dev/mapper/NAME',
  assemble: 'assemble it on a host that you trust, read-only, and convert the device that comes of it',
};

/** A kind of volume that is recognized, and not read. */
export interface ForeignVolume {
  readonly what: string;
  readonly remedy: Remedy;
  readonly swap?: true;
}

interface Signature extends ForeignVolume {
  /** From the volume's start; from its end where negative. */
  readonly offset: number;
  readonly magic: string;
}

const RAID = 'a member of a hardware or firmware RAID';
const BCACHE_UUID = '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81';
const BCACHEFS_UUID = '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef';

/** After util-linux' libblkid. */
const SIGNATURES: readonly Signature[] = [
  { offset: 0, magic: 'LUKS\xba\xbe', what: 'LUKS encryption', remedy: 'unlock' },
  { offset: 16384, magic: 'SKUL\xba\xbe', what: 'LUKS encryption', remedy: 'unlock' },
  { offset: 3, magic: '-FVE-FS-', what: 'BitLocker encryption', remedy: 'none' },
  { offset: 3, magic: 'NTFS    ', what: 'NTFS (Windows)', remedy: 'none' },
  { offset: 3, magic: 'EXFAT   ', what: 'exFAT', remedy: 'none' },
  { offset: 512, magic: 'ReFS', what: 'ReFS (Windows)', remedy: 'none' },
  { offset: 4096 - 10, magic: 'SWAPSPACE2', what: 'swap space', swap: true, remedy: 'none' },
  { offset: 65536 - 10, magic: 'SWAPSPACE2', what: 'swap space', swap: true, remedy: 'none' },
  { offset: 4096 - 10, magic: 'S1SUSPEND', what: 'swap space (hibernated)', swap: true, remedy: 'none' },
  { offset: 54, magic: 'FAT1', what: 'FAT', remedy: 'none' },
  { offset: 82, magic: 'FAT32', what: 'FAT', remedy: 'none' },
  { offset: 1024, magic: '\x10\x20\xf5\xf2', what: 'F2FS', remedy: 'mount' },
  { offset: 65536 + 52, magic: 'ReIsEr', what: 'reiserfs', remedy: 'mount' },
  { offset: 65536, magic: 'ReIsEr4', what: 'reiser4', remedy: 'mount' },
  { offset: 32768, magic: 'JFS1', what: 'JFS', remedy: 'mount' },
  { offset: 4096 + 24, magic: BCACHEFS_UUID, what: 'bcachefs', remedy: 'mount' },
  { offset: 4096 + 24, magic: BCACHE_UUID, what: 'bcache', remedy: 'assemble' },
  { offset: 32769, magic: 'CD001', what: 'ISO 9660', remedy: 'none' },
  { offset: 32769, magic: 'BEA01', what: 'UDF', remedy: 'none' },
  { offset: 4096, magic: '\xfc\x4e\x2b\xa9', what: 'Linux software RAID', remedy: 'assemble' },
  { offset: 0, magic: '\xfc\x4e\x2b\xa9', what: 'Linux software RAID', remedy: 'assemble' },
  { offset: 128 * 1024 + 8, magic: '\x0c\xb1\xba\0\0\0\0\0', what: 'ZFS', remedy: 'mount' },
  { offset: 128 * 1024 + 8, magic: '\0\0\0\0\0\xba\xb1\x0c', what: 'ZFS', remedy: 'mount' },
  { offset: 128 * 1024, magic: '\0\0\0\0\0\xba\xb1\x0c', what: 'ZFS', remedy: 'mount' },
  { offset: 128 * 1024, magic: '\x0c\xb1\xba\0\0\0\0\0', what: 'ZFS', remedy: 'mount' },
  { offset: 1024, magic: 'H+', what: 'HFS+ (Apple)', remedy: 'none' },
  { offset: 1024, magic: 'HX', what: 'HFS+ (Apple)', remedy: 'none' },
  { offset: 32, magic: 'NXSB', what: 'APFS (Apple)', remedy: 'none' },
  { offset: 1024 * 1024, magic: '\x0d\xd0\x01\xc0', what: 'VMFS, the store of an ESXi host', remedy: 'mount' },
  { offset: 2 * 1024 * 1024, magic: '\x5e\xf1\xab\x2f', what: 'VMFS, the store of an ESXi host', remedy: 'mount' },
  { offset: 0, magic: '\x31\x18\x10\x06', what: 'UBIFS', remedy: 'mount' },
  { offset: 0, magic: 'UBI#', what: 'UBI, raw flash', remedy: 'mount' },
  { offset: 1024 + 16, magic: '\x7f\x13', what: 'MINIX', remedy: 'mount' },
  { offset: 1024 + 16, magic: '\x8f\x13', what: 'MINIX', remedy: 'mount' },
  { offset: 1024 + 16, magic: '\x68\x24', what: 'MINIX', remedy: 'mount' },
  { offset: 1024 + 16, magic: '\x78\x24', what: 'MINIX', remedy: 'mount' },
  { offset: 1024 + 24, magic: '\x5a\x4d', what: 'MINIX', remedy: 'mount' },
  { offset: 1024 + 6, magic: '\x34\x34', what: 'NILFS2', remedy: 'mount' },
  { offset: 1024, magic: 'OCFSV2', what: 'OCFS2', remedy: 'mount' },
  { offset: 2048, magic: 'OCFSV2', what: 'OCFS2', remedy: 'mount' },
  { offset: 4096, magic: 'OCFSV2', what: 'OCFS2', remedy: 'mount' },
  { offset: 8192, magic: 'OCFSV2', what: 'OCFS2', remedy: 'mount' },
  { offset: 65536, magic: '\x01\x16\x19\x70', what: 'GFS2', remedy: 'mount' },
  { offset: 0, magic: 'dmvdo001', what: 'VDO', remedy: 'assemble' },
  { offset: 512 + 4, magic: '!Stra0tis\x86\xff\x02^\x41rh', what: 'Stratis', remedy: 'assemble' },
  { offset: 0, magic: 'bluestore block device', what: 'Ceph BlueStore', remedy: 'none' },
  { offset: -4096 + 60, magic: '\x83\x74\x02\x6b', what: 'DRBD', remedy: 'assemble' },
  { offset: -4096 + 60, magic: '\x83\x74\x02\x67', what: 'DRBD', remedy: 'assemble' },
  { offset: -1024, magic: 'Intel Raid ISM Cfg Sig. ', what: RAID, remedy: 'assemble' },
  { offset: -512, magic: '\xde\x11\xde\x11', what: RAID, remedy: 'assemble' },
  { offset: 512, magic: '\x57\x45\x56\x82', what: 'a BSD disk label', remedy: 'none' },
  { offset: 64, magic: '\x57\x45\x56\x82', what: 'a BSD disk label', remedy: 'none' },
  { offset: 508, magic: '\xda\xbe', what: 'a Sun disk label', remedy: 'none' },
];

/** What a volume is by its signature, and where in it that lies. */
export function foreignVolume(volume: ByteSource): (ForeignVolume & { readonly offset: number }) | undefined {
  return SIGNATURES.find(
    ({ offset, magic }) => readIfThere(volume, offset < 0 ? volume.size + offset : offset, magic.length)?.toString('latin1') === magic,
  );
}

/** libblkid's names of kinds that the table above has not, or that need more than a signature to tell. */
const BLKID_NAMES: Readonly<Record<string, ForeignVolume>> = {
  zfs_member: { what: 'ZFS', remedy: 'mount' },
  drbd: { what: 'DRBD', remedy: 'assemble' },
  jbd: { what: 'the journal of an ext file system that is elsewhere', remedy: 'none' },
  linux_raid_member: { what: 'Linux software RAID', remedy: 'assemble' },
  LVM1_member: { what: 'LVM 1', remedy: 'assemble' },
  DM_verity_hash: { what: 'the hashes of a dm-verity volume', remedy: 'none' },
  DM_integrity: { what: 'dm-integrity', remedy: 'assemble' },
  DM_snapshot_cow: { what: "an LVM snapshot's store", remedy: 'none' },
  crypto_LUKS: { what: 'LUKS encryption', remedy: 'unlock' },
  cs_fvault2: { what: 'FileVault encryption (Apple)', remedy: 'none' },
  ufs: { what: 'UFS (BSD, Solaris)', remedy: 'none' },
  hfs: { what: 'HFS (Apple)', remedy: 'none' },
};

/** @param type what `blkid -p` calls it; only its own words are believed, which the disk cannot choose */
export function blkidName(type: string): ForeignVolume | undefined {
  if (!/^[\w+-]{1,32}$/.test(type)) return undefined;
  if (type.endsWith('_raid_member') && BLKID_NAMES[type] === undefined) return { what: `${RAID} (${type})`, remedy: 'assemble' };
  return Object.hasOwn(BLKID_NAMES, type) ? BLKID_NAMES[type] : { what: type, remedy: 'mount' };
}
