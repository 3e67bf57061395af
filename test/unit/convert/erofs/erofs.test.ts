import test from 'ava';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErofsTree } from '../../../../src/convert/erofs/erofs-tree.ts';
import { UnpackedFiles } from '../../../../src/convert/erofs/unpacked-files.ts';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { readDamaged } from '../../../support/damage.ts';
import { makeGuestTree } from '../../../support/guest-tree.ts';
import { runOk } from '../../../support/process.ts';
import { requireTool } from '../../../support/require-tool.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** Reads everything. Returns the paths. */
function readAll(image: Uint8Array): string[] | undefined {
  const tree = ErofsTree.open(new MemorySource(image), '/nowhere');
  if (tree === undefined) return undefined;
  return [...tree.walk('', () => false)].map((found) => {
    tree.attributes(found.inode);
    if (found.inode.type === 'l') tree.linkTarget(found.inode);
    if (found.inode.type === 'f' && found.inode.layout !== 'packed' && found.inode.size < image.length)
      for (const part of tree.content(found)) void part;
    return found.path;
  });
}

test('a damaged erofs is an error in words, or is read to an end', async (t) => {
  if (!requireTool(t, 'mkfs.erofs')) return;
  const file = join(tempDir(t, 'erofs'), 'e.img');
  await runOk('mkfs.erofs', [
    '--quiet',
    file,
    makeGuestTree(t, { files: { 'usr/share/some': 'text', 'etc/long': Buffer.alloc(9000, 'x') } }),
  ]);
  const image = readFileSync(file);
  t.true(readAll(image)!.includes('usr/share/some'));
  const used = [...image.keys()].filter((at) => at < 40_000 && image[at] !== 0 && image[at] !== 0x78);
  readDamaged(image, used, readAll, { maxChanges: 8, numRuns: 300 });
  // Names that would lead out, or be there twice.
  for (const name of ['us/', 'bin', '\0\0\0']) {
    const hostile = Buffer.from(image);
    hostile.write(name, hostile.indexOf('usr', 1200, 'latin1'), 'latin1');
    t.throws(
      () => readAll(hostile),
      { instanceOf: LayerswarmError, message: /the erofs file system is damaged: a name in the folder/ },
      name,
    );
  }
});

test('of what was unpacked, no link is followed', (t) => {
  const root = tempDir(t, 'unpacked');
  const outside = tempDir(t, 'outside');
  writeFileSync(join(outside, 'secret'), 'secret');
  mkdirSync(join(root, 'folder'));
  writeFileSync(join(root, 'folder', 'file'), '12345');
  symlinkSync(outside, join(root, 'link'));
  symlinkSync(join(outside, 'secret'), join(root, 'folder', 'secret'));
  const files = new UnpackedFiles(root);
  t.is(Buffer.concat([...files.content('folder/file', 5)]).toString(), '12345');
  t.throws(() => [...files.content('folder/file', 6)], { message: /was not unpacked as it should be/ });
  t.throws(() => [...files.content('link/secret', 6)], { message: /was not unpacked as it should be/ });
  t.throws(() => [...files.content('folder/secret', 6)], { message: /was not unpacked as it should be/ });
  for (const absent of ['folder/none', 'none/file', 'folder/file/below'])
    t.throws(() => [...files.content(absent, 6)], { instanceOf: LayerswarmError, message: /was not unpacked as it should be/ });
});
