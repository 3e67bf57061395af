import test from 'ava';
import { join } from 'node:path';
import { convertToTar, readFromTar, refused, requireConversion } from '../../support/conversion.ts';
import { inMounted, makeDisk, makeFileSystem, ODD_THINGS, toFormat } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { tempDir } from '../../support/temp-dir.ts';

// A /dev/kvm that is there need not work; emulation always does.
process.env['LIBGUESTFS_BACKEND_SETTINGS'] = 'force_tcg';
const MINUTES = 60_000;

test('an xfs that nobody trusts is read in a virtual machine, up to its newest data, and gives the layer that the kernel gives', async (t) => {
  t.timeout(10 * MINUTES);
  if (!requireConversion(t, 'root', 'kernel', 'mkfs.xfs', 'guestmount', 'setfattr', 'setfacl', 'setcap')) return;
  const image = await makeFileSystem(t, makeGuestTree(t), { type: 'xfs' });
  const crashed = join(tempDir(t, 'dirty'), 'crashed.raw');
  await inMounted(
    image,
    'xfs',
    `${ODD_THINGS}\ncd /mnt; sync; mkdir fresh; echo newest > fresh/file; sync fresh/file fresh; cp --sparse=always "$1" "$2"`,
    [image, crashed],
  );
  const disk = await toFormat(t, await makeDisk(t, [{ image: crashed, sizeMiB: 320 }]), 'qcow2');
  const { file, diffId } = await convertToTar(t, disk, { backend: 'guestfs' });
  t.is(await readFromTar(file, './fresh/file'), 'newest\n');
  t.is(diffId, (await convertToTar(t, disk, { backend: 'loop', trust: true })).diffId);
});

test('a btrfs is refused by a virtual machine too', async (t) => {
  if (!requireConversion(t, 'root', 'kernel', 'mkfs.btrfs', 'guestmount')) return;
  await refused(t, await makeFileSystem(t, makeGuestTree(t), { type: 'btrfs' }), 'unsupported', /disk: btrfs; .*no subvolumes.*--trust/, {
    backend: 'guestfs',
  });
});
