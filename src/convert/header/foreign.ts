import { readIfThere, type ByteSource } from './byte-source.ts';

interface Foreign {
  /** From the file's start; from its end where negative. */
  readonly offset: number;
  readonly magic: Buffer;
  /** What it is, and what to do about it. */
  readonly advice: string;
}

const text = (magic: string): Buffer => Buffer.from(magic, 'latin1');

/** First bytes of what people pass for a disk image, and the next step. */
const FOREIGN: readonly Foreign[] = [
  { offset: 0, magic: Buffer.from('1f8b', 'hex'), advice: 'compressed with gzip; unpack it first (gunzip -k FILE)' },
  { offset: 0, magic: Buffer.from('fd377a585a00', 'hex'), advice: 'compressed with xz; unpack it first (xz -dk FILE)' },
  { offset: 0, magic: Buffer.from('28b52ffd', 'hex'), advice: 'compressed with zstd; unpack it first (zstd -dk FILE)' },
  { offset: 0, magic: Buffer.from('04224d18', 'hex'), advice: 'compressed with lz4; unpack it first (lz4 -dk FILE)' },
  { offset: 0, magic: text('BZh'), advice: 'compressed with bzip2; unpack it first (bunzip2 -k FILE)' },
  { offset: 0, magic: Buffer.from('5d00008000', 'hex'), advice: 'compressed with lzma; unpack it first (xz -dk --format=lzma FILE)' },
  { offset: 0, magic: Buffer.from('894c5a4f000d0a1a0a', 'hex'), advice: 'compressed with lzop; unpack it first (lzop -dk FILE)' },
  { offset: 0, magic: text('PK\x03\x04'), advice: 'a zip archive; unpack the disk in it first' },
  { offset: 257, magic: text('ustar'), advice: 'a tar archive, such as an OVA; unpack the .vmdk in it first' },
  { offset: 0, magic: text('7z\xbc\xaf\x27\x1c'), advice: 'a 7-Zip archive; unpack the disk in it first (7z x FILE)' },
  { offset: 0, magic: text('Rar!\x1a\x07'), advice: 'a RAR archive; unpack the disk in it first (unrar x FILE)' },
  { offset: 0, magic: text('MSWIM\0\0\0'), advice: 'a Windows image (WIM), which holds no disk' },
  {
    offset: 0,
    magic: text('COWD'),
    advice: 'an ESX sparse disk, which is not supported; clone it first (vmkfstools -i SOURCE TARGET -d thin)',
  },
  {
    offset: 0,
    magic: Buffer.from('cebaadde', 'hex'),
    advice: 'a VMware snapshot (SESparse), the difference to another disk; consolidate it, or export the machine as OVA',
  },
  {
    offset: 0,
    magic: text('EVF\x09\x0d\x0a\xff\0'),
    advice: 'an EWF image (EnCase E01); export it first, with libewf: ewfexport -t disk -f raw FILE',
  },
  {
    offset: 0,
    magic: text('EVF2\x0d\x0a\x81\0'),
    advice: 'an EWF image (EnCase Ex01); export it first, with libewf: ewfexport -t disk -f raw FILE',
  },
  { offset: 0, magic: text('LVF\x09\x0d\x0a\xff\0'), advice: 'a logical EWF image (EnCase L01): files, and no disk' },
  { offset: 0, magic: text('AFF10\r\n\0'), advice: 'an AFF image; export it first, with afflib: affconvert -r FILE' },
  { offset: 0, magic: text('ADSEGMENTEDFILE\0'), advice: 'an AccessData image (AD1): files, and no disk' },
  { offset: 0, magic: Buffer.from('3aff26ed', 'hex'), advice: 'an Android sparse image; unpack it first (simg2img FILE disk.raw)' },
  {
    offset: -512,
    magic: text('koly'),
    advice: 'an Apple disk image (DMG); convert it first: qemu-img convert -f dmg -O raw FILE disk.raw',
  },
  {
    offset: 0,
    magic: text('#!/bin/sh\n#V2.0 Format\n'),
    advice: 'a cloop image; convert it first: qemu-img convert -f cloop -O raw FILE disk.raw',
  },
  { offset: 0, magic: text('070701'), advice: 'a cpio archive, such as an initramfs, and not a disk' },
  { offset: 0, magic: text('070702'), advice: 'a cpio archive, such as an initramfs, and not a disk' },
  { offset: 0, magic: text('070707'), advice: 'a cpio archive, such as an initramfs, and not a disk' },
  { offset: 0, magic: Buffer.from('c771', 'hex'), advice: 'a cpio archive, such as an initramfs, and not a disk' },
  {
    offset: 32_769,
    magic: text('CD001'),
    advice:
      'a CD image, not the disk of an installed system: install from it, or convert the squashfs on it (mount it, and look for *.squashfs)',
  },
  { offset: 32_769, magic: text('BEA01'), advice: 'a UDF image (a DVD), not the disk of an installed system' },
  { offset: 32_776, magic: text('CDROM'), advice: 'a CD image (High Sierra), not the disk of an installed system' },
  {
    offset: 0,
    magic: Buffer.from('00ffffffffffffffffffff00', 'hex'),
    advice: 'a CD image in raw sectors; convert it first (bchunk, or iat FILE cd.iso)',
  },
  {
    offset: 0,
    magic: text('.encoding = '),
    advice: 'the configuration of a VMware machine; its disk is what a line such as scsi0:0.fileName names',
  },
  { offset: 0, magic: text('\x7fELF'), advice: 'a program or kernel, and not a disk' },
];
const XML = /^(?:\xef\xbb\xbf)?\s*<\?xml[\s\S]*?<(?:[\w-]+:)?(Envelope|VirtualBox|domain|Parallels_disk_image)\b/;
const XML_ADVICE: Readonly<Record<string, string>> = {
  Envelope: 'an OVF description; convert the disk that a line such as <File ovf:href=…> in it names, or the OVA',
  VirtualBox: 'the description of a VirtualBox machine; its disk is what a line such as <HardDisk location=…> names',
  domain: 'the description of a libvirt machine; its disk is what a line such as <source file=…> names',
  Parallels_disk_image: 'the description of a Parallels disk; convert the .hds file beside it',
};

/** What a file is that is no disk image, and the next step; undefined where it may be one. */
export function foreignFile(source: ByteSource): string | undefined {
  const found = FOREIGN.find(({ offset, magic }) =>
    readIfThere(source, offset < 0 ? source.size + offset : offset, magic.length)?.equals(magic),
  );
  if (found !== undefined) return found.advice;
  const xml = XML.exec(source.read(0, Math.min(source.size, 4096)).toString('latin1'));
  return xml === null ? undefined : XML_ADVICE[xml[1]!];
}
