import test from 'ava';
import * as fc from 'fast-check';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE, type DiskFormat, type DiskHeader } from '../../../../src/convert/header/disk-header.ts';
import { identifyDisk } from '../../../../src/convert/header/identify.ts';
import { LayerswarmError, type ErrorCode } from '../../../../src/errors.ts';
import { parallels, qcow1, qcow2, qed, vdi, vhd, vhdx, vmdk, VMDK_DESCRIPTOR } from './sample-headers.ts';

const LIMITS = { maxVirtualSize: DEFAULT_MAX_VIRTUAL_SIZE };

function identify(file: Uint8Array, format?: DiskFormat, backingIsNamed = false): DiskHeader {
  return identifyDisk(new MemorySource(file), format, LIMITS, backingIsNamed);
}

const SOUND: readonly [string, Buffer, DiskFormat, number][] = [
  ['a qcow2 of version 3', qcow2(), 'qcow2', 1024],
  ['a qcow2 of version 2', qcow2({ version: 2 }), 'qcow2', 1024],
  ['a sparse VMDK', vmdk(), 'vmdk', 65_536],
  ['a VDI', vdi(), 'vdi', 2 ** 20],
  ['a dynamic VHD', vhd(), 'vhd', 4096],
  ['a fixed VHD', vhd({ type: 2 }), 'vhd', 4096],
  ['a VHDX', vhdx(), 'vhdx', 2 ** 20],
  ['a qcow of version 1', qcow1(), 'qcow', 1024],
  ['a QED', qed(), 'qed', 8192],
  ['a Parallels disk', parallels(), 'parallels', 8192],
  ['an extended Parallels disk', parallels({ magic: 'WithouFreSpacExt' }), 'parallels', 8192],
  ['anything else', Buffer.alloc(4096, 1), 'raw', 4096],
];
for (const [what, file, format, virtualSize] of SOUND) {
  test(`${what} is recognized by its header`, (t) => {
    t.like(identify(file), { format, virtualSize, needsBacking: false });
  });
}

const MIB = 2 ** 20;
const REFUSED: readonly [string, Buffer, ErrorCode, RegExp][] = [
  ['a qcow2 with a backing file', qcow2({ backingOffset: 600 }), 'denied', /backing file/],
  ['a qcow2 with a data file bit', qcow2({ incompatible: 4 }), 'denied', /external data file/],
  [
    'a qcow2 with a data file name and no bit',
    qcow2({ extension: { type: 0x4441_5441, data: '/etc/shadow' } }),
    'denied',
    /external data file/,
  ],
  ['a qcow2 with an unknown incompatible bit', qcow2({ incompatible: 32 }), 'unsupported', /incompatible/],
  ['a corrupt qcow2', qcow2({ incompatible: 2 }), 'unsupported', /corrupt/],
  ['an encrypted qcow2', qcow2({ crypt: 1 }), 'unsupported', /encrypted/],
  ['a qcow2 with LUKS in it', qcow2({ extension: { type: 0x0537_be77, data: '1234567812345678' } }), 'unsupported', /encrypted/],
  ['a qcow2 of 64 TiB', qcow2({ virtualSize: 64 * 1024 ** 4 }), 'too-large', /--max-disk-size/],
  ['a qcow2 whose L1 table is too small', qcow2({ virtualSize: 2 ** 30 }), 'unsupported', /L1 table/],
  ['a qcow2 whose L1 table has more entries than qemu takes', qcow2({ l1Size: 2 ** 30 }), 'unsupported', /L1 table/],
  ['a qcow2 with absurd clusters', qcow2({ clusterBits: 8 }), 'unsupported', /clusters/],
  ['a qcow2 whose data lies behind its end', qcow2({ l2Entry: BigInt(2 ** 20) }), 'size-mismatch', /cut short/],
  ['a qcow2 whose compressed data lies behind its end', qcow2({ l2Entry: (1n << 62n) + BigInt(2 ** 20) }), 'size-mismatch', /cut short/],
  [
    'a VMDK text descriptor with FLAT extents',
    Buffer.from('# Disk DescriptorFile\nversion=1\nRW 8 FLAT "/etc/shadow" 0\n'),
    'denied',
    /extent files/,
  ],
  ['a VMDK of capacity 0, whose descriptor qemu would follow', vmdk({ capacity: 0 }), 'denied', /extent files/],
  [
    'a VMDK with a flat extent in its own descriptor',
    vmdk({ descriptor: VMDK_DESCRIPTOR.replace(/RW .*/, 'RW 128 FLAT "/etc/shadow" 0') }),
    'denied',
    /extent/,
  ],
  ['a VMDK with two extents', vmdk({ descriptor: `${VMDK_DESCRIPTOR}RW 128 SPARSE "b.vmdk"\n` }), 'denied', /extent/],
  ['a VMDK whose extent is a path', vmdk({ descriptor: VMDK_DESCRIPTOR.replace('disk.vmdk', '/etc/x') }), 'denied', /extent/],
  ['a VMDK with a parent', vmdk({ descriptor: VMDK_DESCRIPTOR.replace('ffffffff', '1234abcd') }), 'denied', /parent/],
  ['a VMDK with a parent hint', vmdk({ descriptor: `${VMDK_DESCRIPTOR}x parentFileNameHint="/etc/shadow"\n` }), 'denied', /parent/],
  ['a VMDK of another type', vmdk({ descriptor: VMDK_DESCRIPTOR.replace('monolithicSparse', 'vmfs') }), 'unsupported', /type vmfs/],
  ['a VMDK with absurd grains', vmdk({ grain: 3 }), 'unsupported', /grains/],
  ['an ESX COWD disk', Buffer.concat([Buffer.from('COWD'), Buffer.alloc(4096)]), 'unsupported', /ESX/],
  ['a differencing VDI', vdi({ type: 4 }), 'denied', /parent/],
  ["a VDI with a parent's id", vdi({ parent: true }), 'denied', /parent/],
  ['a VDI whose block lies behind its end', vdi({ virtualSize: MIB - 1, block: 7 }), 'size-mismatch', /cut short/],
  ['a differencing VHD', vhd({ type: 4 }), 'denied', /parent/],
  ['a VHD whose block lies behind its end', vhd({ sector: 1000 }), 'size-mismatch', /cut short/],
  ['a VHD that lost its footer', vhd().subarray(0, -512), 'unsupported', /footer/],
  ['a VHDX with a parent', vhdx({ parentFlag: true }), 'denied', /parent/],
  ['a VHDX with a parent locator', vhdx({ parentLocator: true }), 'denied', /parent/],
  ['a VHDX with blocks of its parent', vhdx({ state: 7 }), 'denied', /parent/],
  ['a VHDX that was not closed', vhdx({ log: true }), 'unsupported', /closed cleanly/],
  ['a gzipped disk', Buffer.concat([Buffer.from([0x1f, 0x8b, 8]), Buffer.alloc(1000)]), 'unsupported', /gunzip/],
  ['an OVA', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(250)]), 'unsupported', /OVA/],
  ['a qcow with a backing file', qcow1({ backingOffset: 600 }), 'denied', /backing file/],
  ['an encrypted qcow', qcow1({ crypt: 1 }), 'unsupported', /encrypted/],
  ['a qcow whose data lies behind its end', qcow1({ l2Entry: 4096n }), 'size-mismatch', /cut short/],
  ['a QED with a backing file', qed({ features: 1 }), 'denied', /backing file/],
  ['a QED that was not closed', qed({ features: 2 }), 'unsupported', /closed cleanly/],
  ['a QED with unknown features', qed({ features: 8 }), 'unsupported', /features/],
  ['a QED whose data lies behind its end', qed({ l2Entry: 1n << 20n }), 'size-mismatch', /cut short/],
  ['a Parallels disk in use', parallels({ inUse: true }), 'unsupported', /in use/],
  ['a Parallels disk whose data lies behind its end', parallels({ entry: 4096 }), 'size-mismatch', /cut short/],
  ['one extent of a split VMDK', vmdk({ descriptor: '' }), 'unsupported', /one extent of a disk that is split/],
  ['an EWF image', Buffer.concat([Buffer.from('EVF\x09\x0d\x0a\xff\x00', 'latin1'), Buffer.alloc(1000)]), 'unsupported', /ewfexport/],
  ['an OVF', Buffer.from('<?xml version="1.0"?>\n<Envelope xmlns="x">'), 'unsupported', /OVF description/],
  ['a cpio archive', Buffer.from('070701000002D1000041ED'), 'unsupported', /cpio/],
  ['an empty file', Buffer.alloc(0), 'unsupported', /empty/],
];
for (const [what, file, code, message] of REFUSED) {
  test(`${what} is refused with one line that says why`, (t) => {
    const error = t.throws(() => identify(file), { instanceOf: LayerswarmError, message });
    t.is(error?.code, code);
    t.notRegex(error?.message ?? '', /\n/);
  });
}

test('a raw disk that begins like a qcow2 has to be named', (t) => {
  const file = qcow2();
  file.writeUInt16LE(0xaa55, 510);
  t.is(t.throws(() => identify(file), { instanceOf: LayerswarmError })?.code, 'usage');
  t.is(identify(file, 'raw').format, 'raw');
  t.is(identify(file, 'qcow2').format, 'qcow2');
});

test('a damaged qcow2 is never taken for a raw disk, unless that is said', (t) => {
  const file = Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(4092)]);
  t.is(t.throws(() => identify(file), { instanceOf: LayerswarmError })?.code, 'unsupported');
  t.is(identify(file, 'raw').virtualSize, 4096);
});

test('a format that is said is believed, and not looked for', (t) => {
  t.is(t.throws(() => identify(Buffer.alloc(4096), 'qcow2'), { instanceOf: LayerswarmError })?.code, 'unsupported');
});

test('a backing file is accepted where the user names it, and only there', (t) => {
  t.true(identify(qcow2({ backingOffset: 600 }), undefined, true).needsBacking);
  t.is(t.throws(() => identify(qcow2(), undefined, true), { instanceOf: LayerswarmError })?.code, 'usage');
});

test('many L1 entries that point at one table do not make a small file ask for hours of reading', (t) => {
  const file = Buffer.concat([qcow2({ virtualSize: 2 ** 40, l1Size: 2 ** 22, clusterBits: 9 }), Buffer.alloc(64 * 1024 * 1024)]);
  for (let at = 512; at < 32 * 1024 * 1024; at += 8) file.writeBigUInt64BE(1024n, at);
  const error = t.throws(() => identify(file), { instanceOf: LayerswarmError });
  t.true(error?.code === 'unsupported' || error?.code === 'size-mismatch');
});

const SAMPLES = [
  qcow1(),
  qed(),
  parallels(),
  qcow2(),
  qcow2({ version: 2 }),
  vmdk(),
  vmdk({ flags: 0x3_0003 }),
  vdi(),
  vhd(),
  vhd({ type: 2 }),
  vhdx(),
];
test('whatever is written over a header, the answer is a checked header or a refusal', (t) => {
  const change = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }) });
  fc.assert(
    fc.property(
      fc.constantFrom(...SAMPLES),
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.option(fc.nat()),
      (sample, changes, cut) => {
        const file = Buffer.from(sample);
        // Most of a header's fields are in its first kilobyte.
        for (const { at, bytes } of changes) Buffer.from(bytes).copy(file, at % Math.min(file.length - 16, 1600));
        const source = file.subarray(0, cut === null ? undefined : cut % file.length);
        try {
          const header = identify(source);
          t.true(header.virtualSize > 0 && header.virtualSize <= LIMITS.maxVirtualSize);
          t.false(header.needsBacking);
        } catch (error) {
          if (!(error instanceof LayerswarmError) || error.code === 'internal') throw error;
        }
      },
    ),
    { numRuns: 400 },
  );
  t.pass();
});
