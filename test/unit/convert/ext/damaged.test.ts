import test from 'ava';
import { readFileSync } from 'node:fs';
import { readAttributes } from '../../../../src/convert/ext/attributes.ts';
import { BlockBudget } from '../../../../src/convert/ext/block-budget.ts';
import { content, linkTarget } from '../../../../src/convert/ext/content.ts';
import { ExtFileSystem } from '../../../../src/convert/ext/ext-file-system.ts';
import { walk } from '../../../../src/convert/ext/walk.ts';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { readDamaged } from '../../../support/damage.ts';
import { makeFileSystem } from '../../../support/disk-image.ts';
import { makeGuestTree } from '../../../support/guest-tree.ts';
import { requireTool } from '../../../support/require-tool.ts';

/** Reads everything. Returns how much there was. */
function readAll(image: Uint8Array): { entries: number; bytes: number } | undefined {
  const fs = ExtFileSystem.open(new MemorySource(image));
  if (fs === undefined) return undefined;
  const budget = new BlockBudget(fs);
  let [entries, bytes] = [0, 0];
  for (const { inode } of walk(fs, () => false)) {
    entries += 1;
    budget.sectors(inode);
    readAttributes(fs, inode);
    if (inode.type === 'l') linkTarget(fs, inode);
    if (inode.type !== 'f') continue;
    // What is longer than its blocks is holes, of which the plan of the layers says how many may be.
    if (inode.size > image.length) continue;
    for (const part of content(fs, inode)) bytes += part.length;
  }
  return { entries, bytes };
}

for (const args of [
  ['-b', '1024'],
  ['-b', '1024', '-O', '^extents,^64bit,^metadata_csum'],
  ['-b', '1024', '-O', 'inline_data,ea_inode', '-I', '512'],
]) {
  test(`a damaged ext file system (${args.join(' ')}) is an error in words, or is read to an end`, async (t) => {
    if (!requireTool(t, 'mkfs.ext4')) return;
    const image = readFileSync(
      await makeFileSystem(t, makeGuestTree(t, { files: { 'usr/share/big': Buffer.alloc(300_000, 'x') } }), {
        sizeMiB: 4,
        args: ['-O', '^has_journal', ...args],
      }),
    );
    const sound = readAll(image)!;
    t.true(sound.entries > 15 && sound.bytes > 500_000);
    // Where something is: zeros that change are mostly free blocks.
    const used = [...image.keys()].filter((at) => image[at] !== 0 && image[at] !== 0x78);
    readDamaged(image, used, readAll, { maxChanges: 12, numRuns: 100 });
  });
}

test('files that have more blocks than there are are refused', (t) => {
  const budget = new BlockBudget({ blocks: 10, blockBytes: 1024 });
  t.is(budget.sectors({ number: 11, sectors: 12, links: 2 }), 12);
  t.is(budget.sectors({ number: 11, sectors: 12, links: 2 }), 12, 'a further name of the same');
  t.is(budget.sectors({ number: 12, sectors: 8, links: 1 }), 8);
  t.throws(() => budget.sectors({ number: 13, sectors: 1, links: 1 }), {
    instanceOf: LayerswarmError,
    message: /more blocks than there are/,
  });
});
