import { checkTableBytes, checkVirtualSize, malformed, refersToHost, truncated, u64le, type ParseHeader } from './disk-header.ts';

/** At byte 64, little-endian; the layout is the one of qemu's block/vdi.c. */
export const VDI_MAGIC = 0xbeda_107f;
export const VDI_MAGIC_OFFSET = 0x40;
const HEADER_BYTES = 512;
const VERSION_1_1 = 0x0001_0001;
const TYPE = { dynamic: 1, fixed: 2, differencing: 4 } as const;
/** Block numbers from here up mean "not there" or "zeros". */
const FIRST_SPECIAL_BLOCK = 0xffff_fffe;

export const parseVdi: ParseHeader = (source, limits) => {
  if (source.size < HEADER_BYTES) throw malformed('vdi', 'its header is cut short');
  const header = source.read(0, HEADER_BYTES);
  if (header.readUInt32LE(VDI_MAGIC_OFFSET) !== VDI_MAGIC) throw malformed('vdi', 'its signature is missing');
  if (header.readUInt32LE(0x44) !== VERSION_1_1)
    throw malformed('vdi', `version ${header.readUInt32LE(0x44).toString(16)}, and only 1.1 is known`);
  const type = header.readUInt32LE(0x4c);
  if (type === TYPE.differencing || !isZero(header.subarray(0x1a8, 0x1c8))) throw refersToHost('vdi', 'a parent disk');
  if (type !== TYPE.dynamic && type !== TYPE.fixed) throw malformed('vdi', `image type ${type}`);

  const virtualSize = u64le(header, 0x170);
  checkVirtualSize('vdi', virtualSize, limits);
  const blockBytes = header.readUInt32LE(0x178);
  const blocks = header.readUInt32LE(0x180);
  if (blockBytes !== 1024 * 1024) throw malformed('vdi', `blocks of ${blockBytes} bytes, and only 1 MiB is known`);
  if (header.readUInt32LE(0x168) !== 512) throw malformed('vdi', 'sectors of another size than 512 bytes');
  if (blocks * blockBytes < virtualSize) throw malformed('vdi', 'fewer blocks than its virtual size needs');
  checkTableBytes('vdi', blocks * 4, source.size);

  const data = header.readUInt32LE(0x158);
  const map = source.read(header.readUInt32LE(0x154), blocks * 4);
  for (let i = 0; i < blocks; i++) {
    const block = map.readUInt32LE(i * 4);
    if (block >= FIRST_SPECIAL_BLOCK) continue;
    const start = data + block * blockBytes;
    const end = i === blocks - 1 ? start + 1 : start + blockBytes;
    if (end > source.size) throw truncated('vdi', end, source.size);
  }
  return { format: 'vdi', virtualSize, compressed: false, needsBacking: false };
};

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
