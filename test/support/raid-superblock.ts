export interface RaidSample {
  readonly version?: '0.90' | '1.0' | '1.1' | '1.2';
  readonly level?: number;
  /** Bytes from the member's start. */
  readonly offset?: number;
  /** Of the array's data. */
  readonly bytes?: number;
  readonly features?: number;
  readonly role?: number;
  /** How often the array was written to. */
  readonly events?: number;
}

/** An md superblock, by md_p.h and not by the code under test, and where it belongs in a member of `size` bytes. */
export function raidSuperblock(
  size: number,
  { version = '1.2', level = 1, offset = 0, bytes = 4096, features = 0, role = 0, events = 7 }: RaidSample = {},
): { at: number; block: Buffer } {
  const block = Buffer.alloc(4096);
  block.writeUInt32LE(0xa92b_4efc, 0);
  if (version === '0.90') {
    block.writeUInt32LE(90, 8);
    block.writeInt32LE(level, 28);
    block.writeUInt32LE(bytes / 1024, 32);
    block.writeUInt32LE(2, 40);
    for (const at of [20, 52, 56, 60]) block.writeUInt32BE(0x1122_3344, at);
    block.writeUInt32LE(events, 156);
    return { at: Math.floor(size / 65_536) * 65_536 - 65_536, block };
  }
  const at = version === '1.2' ? 4096 : version === '1.1' ? 0 : Math.floor((size - 8192) / 4096) * 4096;
  block.writeUInt32LE(1, 4);
  block.writeUInt32LE(features, 8);
  block.fill('11223344', 16, 32, 'hex');
  block.writeBigUInt64LE(BigInt(events), 200);
  block.writeInt32LE(level, 72);
  block.writeUInt32LE(2, 92);
  block.writeBigUInt64LE(BigInt(offset / 512), 128);
  block.writeBigUInt64LE(BigInt(bytes / 512), 136);
  block.writeBigUInt64LE(BigInt(at / 512), 144);
  block.writeUInt16LE(role, 256);
  return { at, block };
}
