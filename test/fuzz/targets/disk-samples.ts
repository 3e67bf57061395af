import { writeGpt, writeMbr, writeMbrEntry } from '../../support/partition-table.ts';

/** With a protective MBR, one partition, and a backup at its end; by the specification and not by the code under test. */
export function gptDisk(sectorSize: 512 | 4096): Buffer {
  const sectors = 64;
  const disk = Buffer.alloc(sectors * sectorSize);
  writeMbrEntry(disk, 0, 0, 0xee, 1, sectors - 1);
  for (const headerSector of [1, sectors - 1]) writeGpt(disk, sectorSize, headerSector);
  return disk;
}

/** A primary partition, and two logical ones. */
export function mbrDisk(): Buffer {
  const disk = Buffer.alloc(200 * 512);
  disk.writeUInt32LE(0xdead_beef, 440);
  writeMbr(disk);
  return disk;
}

/** lvm2's lib/format_text/layout.h: a label in sector 1, a metadata area at 4 KiB, and the text of one group. */
export function lvmVolume(): Buffer {
  const volume = Buffer.alloc(64 * 1024);
  const id = 'A'.repeat(32);
  volume.write('LABELONE', 512);
  volume.writeUInt32LE(32, 512 + 20);
  volume.write(id, 512 + 32);
  // one data area, then one metadata area, each list with a zero entry at its end
  volume.writeBigUInt64LE(32_768n, 512 + 32 + 40);
  volume.writeBigUInt64LE(4096n, 512 + 32 + 72);
  volume.writeBigUInt64LE(16_384n, 512 + 32 + 80);
  const text =
    `vg {\nid = "group"\nseqno = 1\nextent_size = 8 # 4 KiB\nphysical_volumes {\npv0 {\nid = "${id}"\npe_start = 64\n}\n}\nlogical_volumes {\nroot {\nid = "x"\nstatus = ["READ", "VISIBLE"]\n` +
    'segment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = 2\ntype = "striped"\nstripe_count = 1\nstripes = ["pv0", 3]\n}\n}\n}\n}\ncontents = "Text Format Volume Group"\nversion = 1\n';
  volume.write(' LVM2 x[5A%r0N*>', 4096 + 4, 'latin1');
  volume.writeBigUInt64LE(512n, 4096 + 40);
  volume.writeBigUInt64LE(BigInt(text.length), 4096 + 48);
  volume.write(text, 4096 + 512);
  return volume;
}
