import type { ByteSource } from './byte-source.ts';
import { checkTableBytes, checkVirtualSize, malformed, refersToHost, truncated, u64be, type ParseHeader } from './disk-header.ts';

/** Microsoft's "Virtual Hard Disk Image Format Specification", 2006. */
export const VHD_COOKIE = 'conectix';
const FOOTER_BYTES = 512;
const DYNAMIC_COOKIE = 'cxsparse';
const DYNAMIC_BYTES = 1024;
const TYPE = { fixed: 2, dynamic: 3, differencing: 4 } as const;
const UNUSED_BLOCK = 0xffff_ffff;

export const parseVhd: ParseHeader = (source, limits) => {
  const footer = readVhdFooter(source);
  if (footer === undefined) throw malformed('vhd', 'its footer is missing or damaged; a file that was cut short has to be copied again');
  const virtualSize = u64be(footer, 0x30);
  checkVirtualSize('vhd', virtualSize, limits);
  const type = footer.readUInt32BE(0x3c);
  if (type === TYPE.differencing) throw refersToHost('vhd', 'a parent disk');
  if (type === TYPE.fixed) {
    if (virtualSize + FOOTER_BYTES > source.size) throw truncated('vhd', virtualSize + FOOTER_BYTES, source.size);
  } else if (type === TYPE.dynamic) {
    walkTable(source, u64be(footer, 0x10), virtualSize);
  } else {
    throw malformed('vhd', `disk type ${type}`);
  }
  return { format: 'vhd', virtualSize, compressed: false, needsBacking: false };
};

/** The footer at the end of the file, checked by its checksum. */
export function readVhdFooter(source: ByteSource): Buffer | undefined {
  if (source.size < FOOTER_BYTES) return undefined;
  const footer = source.read(source.size - FOOTER_BYTES, FOOTER_BYTES);
  return footer.toString('latin1', 0, 8) === VHD_COOKIE && footer.readUInt32BE(0x40) === checksum(footer, 0x40) ? footer : undefined;
}

function walkTable(source: ByteSource, headerOffset: number, virtualSize: number): void {
  const header = source.read(headerOffset, DYNAMIC_BYTES);
  if (header.toString('latin1', 0, 8) !== DYNAMIC_COOKIE || header.readUInt32BE(0x24) !== checksum(header, 0x24))
    throw malformed('vhd', 'its dynamic header is damaged');
  if (!header.subarray(0x28, 0x38).every((byte) => byte === 0)) throw refersToHost('vhd', 'a parent disk');
  const blockBytes = header.readUInt32BE(0x20);
  const blocks = header.readUInt32BE(0x1c);
  if (blockBytes < 512 || blockBytes > 256 * 1024 * 1024 || (blockBytes & (blockBytes - 1)) !== 0)
    throw malformed('vhd', `blocks of ${blockBytes} bytes`);
  if (blocks < Math.ceil(virtualSize / blockBytes)) throw malformed('vhd', 'its block table is too small for its virtual size');
  checkTableBytes('vhd', blocks * 4, source.size);
  const bitmapBytes = Math.ceil(blockBytes / 512 / 8 / 512) * 512;
  const table = source.read(u64be(header, 0x10), blocks * 4);
  for (let i = 0; i < blocks; i++) {
    const sector = table.readUInt32BE(i * 4);
    if (sector === UNUSED_BLOCK) continue;
    const end = sector * 512 + bitmapBytes + (i >= Math.ceil(virtualSize / blockBytes) - 1 ? 0 : blockBytes);
    if (end > source.size) throw truncated('vhd', end, source.size);
  }
}

/** The one's complement of the sum of all bytes but the checksum's own. */
function checksum(bytes: Buffer, at: number): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) if (i < at || i >= at + 4) sum += bytes[i]!;
  return ~sum >>> 0;
}
