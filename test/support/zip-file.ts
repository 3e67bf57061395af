import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipSample {
  readonly name?: string;
  readonly data?: Buffer;
  readonly crc?: number;
  /** What its directory says. */
  readonly size?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly mode?: number;
}

/** One member, by APPNOTE.TXT and not by the code under test. */
export function zipFile({
  name = 'disk.img',
  data = Buffer.from('data'),
  crc = crc32(data),
  size = data.length,
  flags = 0,
  method = 8,
  mode = 0o100_644,
}: ZipSample = {}): Buffer {
  const packed = method === 8 ? deflateRawSync(data) : data;
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x0403_4b50, 0);
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x0201_4b50, 0);
  entry.writeUInt16LE(flags, 8);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(crc, 16);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(size, 24);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt32LE(mode * 2 ** 16, 38);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return Buffer.concat([local, Buffer.from(name), packed, entry, Buffer.from(name), end]);
}
