import test, { type ExecutionContext } from 'ava';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertToTar, listTar, refused, requireConversion } from '../../support/conversion.ts';
import { makeDisk, makeFileSystem, sparseFile } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { runOk } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MIB = 1024 * 1024;
const DATA = '11111111-0000-0000-0000-000000000005';

async function write(file: string, offset: number, bytes: string): Promise<void> {
  await runOk('dd', [`of=${file}`, 'bs=1', `seek=${offset}`, 'conv=notrunc', 'status=none'], { input: Buffer.from(bytes, 'latin1') });
}

/** Incompatible features of the future, without the checksum that would tell them from damage. */
async function newerExt(t: ExecutionContext, tree?: string): Promise<string> {
  const image = await makeFileSystem(t, tree, { sizeMiB: 8, uuid: DATA, args: ['-O', '^metadata_csum'] });
  await write(image, 1024 + 0x60 + 3, '\x40');
  return image;
}

async function damagedLvm(t: ExecutionContext): Promise<string> {
  const image = sparseFile(join(tempDir(t, 'lvm'), 'pv'), 8 * MIB);
  await write(image, 512, 'LABELONE\x01\0\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0LVM2 001');
  return image;
}

test('what is damaged, newer or unknown beside the root is left out with a word, and the root is read', async (t) => {
  if (!requireConversion(t)) return;
  const tree = makeGuestTree(t, {
    fstab: `UUID=${DATA} /data ext4 defaults 0 2\nPARTLABEL=made /srv/made ext4 defaults 0 2\nPARTLABEL=luks /secret ext4 defaults 0 2\n`,
  });
  mkdirSync(join(tree, 'srv'));
  const root = await makeFileSystem(t, tree);
  const folder = tempDir(t, 'made');
  writeFileSync(join(folder, 'inside'), 'x');
  const made = await makeFileSystem(t, folder, { sizeMiB: 8 });
  const luks = sparseFile(join(tempDir(t, 'luks'), 'luks'), 8 * MIB);
  await write(luks, 0, 'LUKS\xba\xbe\0\x02');
  const disk = await makeDisk(t, [
    { image: root, sizeMiB: 8 },
    { image: await newerExt(t), sizeMiB: 8 },
    { image: await damagedLvm(t), sizeMiB: 8 },
    { image: luks, sizeMiB: 8, name: 'luks' },
    { image: made, sizeMiB: 8, name: 'made' },
    { image: root, sizeMiB: 8 },
  ]);
  // The last one is cut short, with the backup of the table.
  await runOk('truncate', ['--size=-5M', disk]);
  for (const options of [{}, { root: 'p1' }]) {
    const { root, notes, file } = await convertToTar(t, disk, options);
    t.is(root, 'p1');
    const said = (pattern: RegExp): void => {
      t.true(
        notes.some((line) => pattern.test(line)),
        `${String(pattern)} in ${notes.join('\n')}`,
      );
    };
    if (options.root === undefined)
      said(/left out: the ext file system of p2 cannot be read: .*--trust.*\(fuse2fs says: Filesystem has unsupported feature\(s\)\.\)$/);
    said(/"\/data" is left out: the ext file system of p2 cannot be read/);
    said(/left out: p3: an LVM physical volume on the disk is damaged/);
    said(/left out: p4: LUKS encryption/);
    said(/left out: the disk is cut short: the ext file system of p6/);
    t.true((await listTar(file)).includes('./srv/made/inside'), 'a missing mount point is made');
  }
});

test('what is needed and cannot be read is an error that says which part, what is wrong, and what to do', async (t) => {
  if (!requireConversion(t)) return;
  const newer = await newerExt(t, makeGuestTree(t));
  const other = await makeFileSystem(t, undefined, { sizeMiB: 8 });
  const message =
    /the ext file system of p1 cannot be read: it is damaged, or newer than the programs here; repair it .*--trust.*unsupported feature/;
  const disk = await makeDisk(t, [
    { image: newer, sizeMiB: 8 },
    { image: other, sizeMiB: 8 },
  ]);
  await refused(t, disk, 'unsupported', message);
  await refused(t, disk, 'unsupported', message, { root: 'p1' });
  const usr = await makeFileSystem(t, makeGuestTree(t, { fstab: `UUID=${DATA} /usr ext4 defaults 0 2\n` }));
  await refused(
    t,
    await makeDisk(t, [
      { image: newer, sizeMiB: 8 },
      { image: usr, sizeMiB: 8 },
    ]),
    'unsupported',
    message,
  );
});
