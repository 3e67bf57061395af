import { createHash } from 'node:crypto';
import { cpSync, createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { version } from '../../src/version.ts';
import { readNames, scriptArguments } from '../../test/support/script-arguments.ts';
import { writeArchive } from './archive.ts';
import type { Image } from './image.ts';
import { addNode, type Machine, MACHINES } from './node-runtime.ts';
import { stageProgram } from './program.ts';
import { run } from './run.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const KINDS = ['archive', 'debian', 'image', 'chart'] as const;
type Kind = (typeof KINDS)[number];

const OPTIONS = {
  options: { machine: { type: 'string', multiple: true }, only: { type: 'string', multiple: true }, output: { type: 'string' } },
} as const;
const USAGE = `Makes what is rolled out, in release/ or DIR. The same checkout gives the same bytes, whenever and wherever: times are those of the last
commit, or SOURCE_DATE_EPOCH.
  npm run release -- [--machine ${MACHINES.join('|')}]… [--only ${KINDS.join('|')}]… [--output DIR]`;

async function main(): Promise<void> {
  const { machines, kinds, output } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
    machines: readNames('--machine', values.machine, MACHINES),
    kinds: readNames('--only', values.only, KINDS),
    output: resolve(values.output ?? join(ROOT, 'release')),
  }));
  mkdirSync(output, { recursive: true });
  const date = await releaseDate();
  const work = mkdtempSync(join(output, '.making-'));
  try {
    await stageProgram(ROOT, join(work, 'program'));
    const images: Image[] = [];
    for (const machine of machines) {
      const image = await releaseFor(machine, { kinds, output, work, date });
      if (image !== undefined) images.push(image);
    }
    if (kinds.includes('chart')) await (await import('./chart.ts')).writeChart({ output, work, date });
    if (images.length > 1) await (await import('./image.ts')).writeMultiArchImage(images, { output, work, date });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const files = readdirSync(output)
    .filter((name) => name.startsWith('layerswarm'))
    .sort();
  writeFileSync(
    join(output, 'SHA256SUMS'),
    (await Promise.all(files.map(async (name) => `${await sha256(join(output, name))}  ${name}\n`))).join(''),
  );
  for (const name of [...files, 'SHA256SUMS']) console.log(join(output, name));
}

interface Release {
  readonly kinds: readonly Kind[];
  readonly output: string;
  /** Holds the program without a Node, as `program`. */
  readonly work: string;
  readonly date: Date;
}

async function releaseFor(machine: Machine, { kinds, output, work, date }: Release): Promise<Image | undefined> {
  const name = `layerswarm-${version}-linux-${machine}`;
  const tree = join(work, name);
  cpSync(join(work, 'program'), tree, { recursive: true, verbatimSymlinks: true });
  await addNode(ROOT, join(tree, 'lib/layerswarm'), machine);
  if (kinds.includes('archive')) await writeArchive(work, name, join(output, `${name}.tar.gz`), date);
  if (kinds.includes('debian')) await (await import('./debian.ts')).writeDebianPackage(ROOT, tree, { machine, work, output, date });
  const image = kinds.includes('image') ? await (await import('./image.ts')).writeImage(tree, { machine, work, output, date }) : undefined;
  rmSync(tree, { recursive: true });
  return image;
}

async function releaseDate(): Promise<Date> {
  const given =
    process.env['SOURCE_DATE_EPOCH'] ??
    (existsSync(join(ROOT, '.git')) ? await run('git', ['log', '-1', '--format=%ct'], { cwd: ROOT }) : '1767225600');
  if (!/^\d+\s*$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH: expected seconds since 1970, received ${given}`);
  return new Date(Number(given) * 1000);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

await main().catch((error: unknown) => {
  console.error(`release: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
