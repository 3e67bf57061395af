import { crc32 } from 'node:zlib';

const LINUX = Buffer.from('af3dc60f838472478e793d69d8477de4', 'hex');

/** With a protective MBR, one partition, and a backup at its end; by the specification and not by the code under test. */
export function gptDisk(sectorSize: 512 | 4096): Buffer {
  const sectors = 64;
  const disk = Buffer.alloc(sectors * sectorSize);
  writeEntry(disk, 0, 0, { type: 0xee, start: 1, sectors: sectors - 1 });
  const entries = Buffer.alloc(4 * 128);
  LINUX.copy(entries, 0);
  entries.fill(7, 16, 32);
  entries.writeBigUInt64LE(40n, 32);
  entries.writeBigUInt64LE(49n, 40);
  entries.write('root', 56, 'utf16le');
  for (const [at, table] of [[1, 2], [sectors - 1, sectors - 2]] as const) {
    entries.copy(disk, table * sectorSize);
    const header = Buffer.alloc(92);
    header.write('EFI PART');
    header.writeUInt32LE(92, 12);
    header.writeBigUInt64LE(BigInt(at), 24);
    header.writeBigUInt64LE(BigInt(table), 72);
    header.writeUInt32LE(4, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(entries), 88);
    header.writeUInt32LE(crc32(header), 16);
    header.copy(disk, at * sectorSize);
  }
  return disk;
}

/** A primary partition, and two logical ones. */
export function mbrDisk(): Buffer {
  const disk = Buffer.alloc(200 * 512);
  disk.writeUInt32LE(0xdead_beef, 440);
  writeEntry(disk, 0, 0, { type: 0x83, start: 10, sectors: 5 });
  writeEntry(disk, 0, 1, { type: 0x05, start: 100, sectors: 100 });
  writeEntry(disk, 100, 0, { type: 0x83, start: 2, sectors: 8 });
  writeEntry(disk, 100, 1, { type: 0x05, start: 20, sectors: 20 });
  writeEntry(disk, 120, 0, { type: 0x82, start: 2, sectors: 9 });
  return disk;
}

function writeEntry(disk: Buffer, sector: number, i: number, { type, start, sectors }: { type: number; start: number; sectors: number }): void {
  const at = sector * 512 + 446 + i * 16;
  disk[at + 4] = type;
  disk.writeUInt32LE(start, at + 8);
  disk.writeUInt32LE(sectors, at + 12);
  disk.writeUInt16LE(0xaa55, sector * 512 + 510);
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
  const text = `vg {\nid = "group"\nseqno = 1\nextent_size = 8 # 4 KiB\nphysical_volumes {\npv0 {\nid = "${id}"\npe_start = 64\n}\n}\nlogical_volumes {\nroot {\nid = "x"\nstatus = ["READ", "VISIBLE"]\n`
    + 'segment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = 2\ntype = "striped"\nstripe_count = 1\nstripes = ["pv0", 3]\n}\n}\n}\n}\ncontents = "Text Format Volume Group"\nversion = 1\n';
  volume.write(' LVM2 x[5A%r0N*>', 4096 + 4, 'latin1');
  volume.writeBigUInt64LE(512n, 4096 + 40);
  volume.writeBigUInt64LE(BigInt(text.length), 4096 + 48);
  volume.write(text, 4096 + 512);
  return volume;
}
