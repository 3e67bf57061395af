import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertDisk, type ConvertOptions, type ConvertReceipt } from '../../src/convert/convert.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { makeFileSystem } from '../support/disk-image.ts';
import { runOk } from '../support/process.ts';
import { scriptArguments } from '../support/script-arguments.ts';
import { tempDir } from '../support/temp-dir.ts';

const USAGE = `What a second, independently installed system shares with a first one, in one layer and split by packages. Both are a Debian with
systemd; the second also has git, python3 and openssh. As root.
  node test/bench/reuse.ts`;
scriptArguments(USAGE, {}, () => undefined);

const SCRIPT = fileURLToPath(new URL('../support/debian-disk.sh', import.meta.url));
const CACHE = fileURLToPath(new URL('../.cache/', import.meta.url));

async function install(name: string, ...packages: string[]): Promise<string> {
  const tree = join(CACHE, name);
  mkdirSync(dirname(tree), { recursive: true });
  rmSync(tree, { recursive: true, force: true });
  await runOk('bash', [SCRIPT, tree, ...packages], { deadline: 900_000 });
  return tree;
}

const cleanup = new CleanupStack();
try {
  const trees = [await install('reuse-first'), await install('reuse-second', 'git', 'python3', 'openssh-server')];
  const disks = [];
  for (const tree of trees) disks.push(await makeFileSystem(cleanup, tree, { sizeMiB: 1500 }));
  const dir = tempDir(cleanup, 'reuse');
  console.log(
    '| layers | of the second | bytes, MB | found in the first, MB | share | gzip, MB | found in the first, MB |\n|---|---|---|---|---|---|---|',
  );
  for (const [what, options] of [
    ['one', {}],
    ['--split packages', { split: 'packages' }],
  ] as const satisfies readonly (readonly [string, ConvertOptions])[]) {
    const [first, second] = (await Promise.all(
      disks.map((disk, i) =>
        convertDisk(disk, { kind: 'layout', dir: join(dir, `${what}${i}`) }, { ...options, trust: true, sourceDigest: false }),
      ),
    )) as [ConvertReceipt, ConvertReceipt];
    const known = new Set(first.layers.map(({ digest }) => digest.toString()));
    const sum = (pick: (layer: ConvertReceipt['layers'][number]) => number): number =>
      second.layers.reduce((bytes, layer) => bytes + pick(layer), 0) / 1e6;
    const shared = (layer: ConvertReceipt['layers'][number]): boolean => known.has(layer.digest.toString());
    const [bytes, found] = [sum(({ diffSize }) => diffSize), sum((layer) => (shared(layer) ? layer.diffSize : 0))];
    console.log(
      `| ${what} | ${second.layers.length} | ${bytes.toFixed(0)} | ${found.toFixed(0)} | ${((found / bytes) * 100).toFixed(0)} % | ${sum(({ size }) => size).toFixed(0)} | ${sum((layer) => (shared(layer) ? layer.size : 0)).toFixed(0)} |`,
    );
  }
  for (const tree of trees) rmSync(tree, { recursive: true, force: true });
} finally {
  await cleanup.undo();
}
