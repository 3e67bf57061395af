import test from 'ava';
import * as fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError, type ErrorCode } from '../../../../src/errors.ts';
import { FileSource, MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { hostSurroundings } from '../../../../src/convert/program/surroundings.ts';
import { chooseDisk } from '../../../../src/convert/source/choose-disk.ts';
import { diskName } from '../../../../src/convert/source/disk-name.ts';
import { parseOvf } from '../../../../src/convert/source/ovf.ts';
import { SparseFile } from '../../../../src/convert/source/sparse-file.ts';
import { listTar } from '../../../../src/convert/source/tar-index.ts';
import { listZip, unpackZipMember } from '../../../../src/convert/source/zip.ts';
import { runOk } from '../../../support/process.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { zipFile, type ZipSample } from '../../../support/zip-file.ts';

const MIB = 1024 * 1024;

async function unpackZip(dir: string, sample: ZipSample, limit = MIB): Promise<Buffer> {
  const path = join(dir, `${randomBytes(4).toString('hex')}.zip`);
  const bytes = zipFile(sample);
  writeFileSync(path, bytes);
  const source = new MemorySource(bytes);
  const [member] = listZip(source);
  await unpackZipMember({ path, offset: 0, size: bytes.length }, source, member!, `${path}.out`, {
    where: hostSurroundings(dir),
    limit,
    signal: undefined,
    onUnpack: undefined,
  });
  return readFileSync(`${path}.out`);
}

test('a member of a zip archive is unpacked, and checked against its checksum and length', async (t) => {
  const dir = tempDir(t, 'zip');
  const data = Buffer.concat([randomBytes(5000), Buffer.alloc(100_000), randomBytes(3)]);
  for (const method of [0, 8]) t.deepEqual(await unpackZip(dir, { data, method }), data);
  for (const [sample, code] of [
    [{ crc: 1 }, 'size-mismatch'],
    [{ size: 3 }, 'size-mismatch'],
    [{ size: 5 }, 'size-mismatch'],
    [{ flags: 1 }, 'unsupported'],
    [{ method: 9 }, 'unsupported'],
    [{ data: Buffer.alloc(2 * MIB) }, 'too-large'],
  ] as const satisfies readonly (readonly [ZipSample, ErrorCode])[]) {
    const error = await t.throwsAsync(unpackZip(dir, sample), { instanceOf: LayerswarmError });
    t.is(error?.code, code, `${JSON.stringify(sample).slice(0, 60)}: ${error?.message}`);
  }
  t.deepEqual(listZip(new MemorySource(zipFile({ mode: 0o120_777 }))), [], 'a link is no disk');
  t.is(t.throws(() => listZip(new MemorySource(zipFile().subarray(0, -4))), { instanceOf: LayerswarmError })?.code, 'size-mismatch');
});

test('whatever is written over an archive, its list is an answer or a refusal', async (t) => {
  const dir = tempDir(t, 'tar');
  await runOk('sh', [
    '-euc',
    'cd "$1"; printf x > disk.img; printf a > "$(printf "n%.0s" $(seq 150))"; truncate -s 1M hole; printf end >> hole; tar -S --format=posix -cf posix.tar disk.img n* hole; tar -S --format=oldgnu -cf gnu.tar disk.img n* hole',
    'sh',
    dir,
  ]);
  const samples = [zipFile(), readFileSync(join(dir, 'posix.tar')), readFileSync(join(dir, 'gnu.tar'))];
  const change = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }) });
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 6 }), (sample, changes) => {
      const bytes = Buffer.from(sample);
      for (const { at, bytes: patch } of changes) Buffer.from(patch).copy(bytes, at % bytes.length);
      try {
        const source = new MemorySource(bytes);
        for (const { size } of sample === samples[0] ? listZip(source) : listTar(source)) t.true(Number.isSafeInteger(size) && size >= 0);
      } catch (error) {
        if (!(error instanceof LayerswarmError) || error.code === 'internal') throw error;
      }
    }),
    { numRuns: 400 },
  );
  t.pass();
});

for (const format of ['gnu', 'oldgnu', 'posix', 'ustar'] as const) {
  test(`the files of a tar archive in ${format} form are found where they are`, async (t) => {
    const dir = tempDir(t, 'tar');
    const long = 'l'.repeat(format === 'ustar' ? 90 : 180);
    await runOk('sh', [
      '-euc',
      'cd "$1"; mkdir -p deep/"$2"; echo first > disk.img; echo second > deep/"$2"/file; ln -s disk.img link; ln disk.img hard; tar --format="$3" -cf a.tar disk.img deep link hard',
      'sh',
      dir,
      long,
      format,
    ]);
    using source = new FileSource(join(dir, 'a.tar'));
    const members = listTar(source);
    t.deepEqual(
      members.map(({ name }) => name),
      ['disk.img', `deep/${long}/file`],
    );
    t.deepEqual(
      members.map(({ offset, size }) => source.read(offset, size).toString()),
      ['first\n', 'second\n'],
    );
  });
}

test('the size of a file above 8 GiB is read in base 256 and from pax', async (t) => {
  const dir = tempDir(t, 'tar');
  const size = 9 * 1024 ** 3 + 7;
  for (const format of ['gnu', 'posix']) {
    // The header alone: the data would take 9 GiB.
    await runOk('sh', [
      '-euc',
      'cd "$1"; truncate -s "$2" big; tar --format="$3" -cf - big | head -c 10240 > "$3.tar"',
      'sh',
      dir,
      String(size),
      format,
    ]);
    using source = new FileSource(join(dir, `${format}.tar`), 10 * 1024 ** 3);
    t.is(listTar(new HeaderOnly(source))[0]?.size, size, format);
  }
});

/** Zeros behind what is there. */
class HeaderOnly {
  readonly size: number;
  readonly #source: FileSource;

  constructor(source: FileSource) {
    this.#source = source;
    this.size = source.size;
  }

  read(offset: number, length: number): Buffer {
    return offset + length <= 10_240 ? this.#source.read(offset, length) : Buffer.alloc(length);
  }
}

test('a sparse file keeps its holes and its content, and stops at its limit', (t) => {
  const path = join(tempDir(t, 'sparse'), 'file');
  const data = Buffer.concat([randomBytes(6000), Buffer.alloc(4 * MIB), randomBytes(100), Buffer.alloc(9000)]);
  {
    using file = new SparseFile(path, data.length + 10);
    for (let at = 0; at < data.length; at += 7001) file.write(data.subarray(at, at + 7001));
    file.skip(10);
    t.is(
      t.throws(
        () => {
          file.write(Buffer.alloc(1));
        },
        { instanceOf: LayerswarmError },
      )?.code,
      'too-large',
    );
  }
  t.true(readFileSync(path).equals(Buffer.concat([data, Buffer.alloc(10)])));
  t.true(statSync(path).blocks * 512 < MIB);
});

const file = (name: string, size = 1): { name: string; size: number } => ({ name, size });

for (const [what, names, disk, beside] of [
  ["the only file with a disk's name", ['README.txt', 'a/disk.qcow2', '__MACOSX/a/._disk.qcow2'], 'a/disk.qcow2', []],
  ['the only file', ['system'], 'system', []],
  ['a compressed disk', ['disk.raw.xz', 'disk.raw.xz.sha256'], 'disk.raw.xz', []],
  ['the descriptor of a split VMDK', ['vm.vmx', 'vm-s001.vmdk', 'vm.vmdk', 'vm-s002.vmdk'], 'vm.vmdk', ['vm-s001.vmdk', 'vm-s002.vmdk']],
] as const) {
  test(`of an archive, ${what} is the disk`, (t) => {
    const chosen = chooseDisk(
      names.map((name) => file(name)),
      'zip',
    );
    t.is(chosen.disk.name, disk);
    t.deepEqual(
      chosen.beside.map(({ name }) => name),
      beside,
    );
  });
}
for (const [what, names, message] of [
  ['two disks', ['a.qcow2', 'b.qcow2'], /2 files that could be the disk \("a.qcow2", "b.qcow2"\)/],
  ['no file', [], /no disk image/],
  ['a root', ['./etc/passwd', './bin/sh', './disk.img'], /seed tar:FILE/],
  ['an OCI image', ['oci-layout', 'index.json', 'blobs/sha256/x'], /seed oci-archive:FILE/],
  ["an image of Docker's", ['manifest.json', 'abc/layer.tar'], /seed docker-archive:FILE/],
] as const) {
  test(`an archive of ${what} is refused with what to do`, (t) => {
    t.throws(
      () =>
        chooseDisk(
          names.map((name) => file(name)),
          'tar',
        ),
      { instanceOf: LayerswarmError, message },
    );
  });
}

test('the disks of an OVF are those that it refers to, in its order', (t) => {
  const xml = `<?xml version="1.0"?><ovf:Envelope xmlns:ovf="x"><!-- <Disk ovf:fileRef="no"/> --><References><File ovf:href="b &amp; c.vmdk" ovf:id="f2" ovf:size="3"/><File ovf:id='f1' ovf:href='a.vmdk'/><File ovf:id="iso" ovf:href="x.iso"/></References>
    <DiskSection><Info>x</Info><Disk ovf:capacity="1" ovf:diskId="d1" ovf:fileRef="f1"/><Disk ovf:diskId="empty" ovf:capacity="9"/><Disk ovf:fileRef="f2" ovf:diskId="d2"/></DiskSection></ovf:Envelope>`;
  t.deepEqual(
    parseOvf(xml).map(({ href }) => href),
    ['a.vmdk', 'b & c.vmdk'],
  );
  t.throws(() => parseOvf('<Disk ovf:parentRef="x" ovf:fileRef="y"/>'), { message: /snapshots/ });
});

test('a long description that means nothing is read as fast as any', (t) => {
  // Patterns that begin anew at each place would take hours for these.
  const begin = performance.now();
  for (const text of ['<!--', '<File ', '<File a', '\n', 'a', '<File a:', ' ', '<a']) {
    t.deepEqual(parseOvf(text.repeat((4 * MIB) / text.length)), []);
    t.deepEqual(parseOvf(`<Disk ${text.replaceAll('<', '').repeat((4 * MIB) / text.length)}`), []);
  }
  t.log(`${Math.round(performance.now() - begin)} ms`);
});

test('of several disks the one that is named is taken', (t) => {
  const members = ['a/one.vmdk', 'b/two.vmdk'].map((name) => file(name));
  t.is(chooseDisk(members, 'OVA', 'two.vmdk').disk.name, 'b/two.vmdk');
  t.is(chooseDisk(members, 'OVA', 'a/one.vmdk').disk.name, 'a/one.vmdk');
  t.throws(() => chooseDisk(members, 'OVA', 'three.vmdk'), { message: /could be the disk.*--member/ });
});

for (const [path, name] of [
  ['/images/debian-12.qcow2.xz', 'debian-12'],
  ['a.tar.gz', 'a'],
  ['vm.ova', 'vm'],
  ['disk', 'disk'],
  ['/dev/vg/root', 'root'],
] as const) {
  test(`${path} is called ${name}`, (t) => {
    t.is(diskName(path), name);
  });
}
