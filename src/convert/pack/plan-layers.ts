import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { formatBytes } from '../../quantity.ts';
import type { OpenSystem } from '../open-system.ts';
import type { Place } from '../root/assemble.ts';
import { latin1, type GuestTree } from '../root/guest-tree.ts';
import { packageFiles } from './package-files.ts';
import { NestedSubvolumes } from './nested-subvolumes.ts';
import { scanTree, type Scan } from './scan.ts';
import { PackageSplit, type PackageLayer } from './split-packages.ts';
import { ALWAYS_OUT, literalPattern, patternsBelow, patternsToRegExp, stripPatterns, type Keepable } from './strip.ts';
import type { PackedTree } from './tar-program.ts';

export interface PlannedLayer {
  /** The packages in it; empty for the rest of the system. */
  readonly name: string;
  readonly trees: readonly PackedTree[];
}

export interface LayerPlan {
  /** The lowest first. The last one has every folder of the system, so that whatever comes below needs none. */
  readonly layers: readonly PlannedLayer[];
  /** What all layers together have to have: entries, and bytes of files. */
  readonly expected: { readonly entries: number; readonly bytes: number };
}

export interface PlanOptions {
  readonly keep: ReadonlySet<Keepable>;
  /** Guest paths or patterns. */
  readonly exclude: readonly string[];
  /** Layers for packages of their own, below the system's. */
  readonly split: boolean;
  readonly onNote: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Holes that a layer would write out as zeros; more than this is a mistake, such as the lastlog of a user with a huge id. */
const MAX_HOLE_BYTES = 16 * 1024 ** 3;
const SWAP_FILES = ['/swapfile', '/swap.img', '/swap/swapfile', '/var/swap', '/var/swapfile'];
const SWAP_MAGIC = { text: 'SWAPSPACE2', at: 4096 - 10 } as const;

/** Looks over everything that will be packed, says what is special about it, and decides what each tar packs and leaves out. */
export async function planLayers(system: OpenSystem, options: PlanOptions): Promise<LayerPlan> {
  const { keep, onNote } = options;
  const owners = options.split ? packageFiles(system.tree) : undefined;
  if (options.split && owners === undefined) onNote('the system has no dpkg database: it stays in one layer');
  const split = owners && new PackageSplit(owners);
  const patterns = [...stripPatterns(keep), ...options.exclude.map(excludePattern)];
  if (!keep.has('swap')) {
    for (const path of swapFiles(system)) {
      onNote(`left out the swap file ${JSON.stringify(path)}`);
      patterns.push(literalPattern(latin1(`.${path}`)));
    }
  }
  const places: Place[] = [];
  const scans: Scan[] = [];
  const separate = system.folders.filter(({ at }) => at !== '/').map(({ at }) => literalPattern(latin1(`.${at}`)));
  const queue: Place[] = [...system.folders];
  const subvolumes = new NestedSubvolumes(system);
  const left = patternsToRegExp(patterns);
  for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
    if (place.at !== '/' && left.test(latin1(`.${place.at}`))) continue;
    const below = patternsBelow([...patterns, ...separate], latin1(place.at));
    const isAdded = place.made === true && places.length > 0;
    const excluded = patternsToRegExp([...ALWAYS_OUT, ...below]);
    const scan = await scanTree(
      system.where,
      place,
      isAdded ? withoutRoot(excluded) : excluded,
      options.signal,
      split &&
        ((file) => {
          split.add(places.length, place.at, file);
        }),
    );
    places.push(place);
    scans.push(scan);
    for (const nested of scan.nested) {
      const path = nested.path.slice(1);
      const at = place.at === '/' ? path : `${place.at}${path}`;
      if (system.folders.some((known) => known.at === at)) continue;
      separate.push(literalPattern(`.${at}`));
      const problem = await subvolumes.problem({ at, folder: `${place.folder}${path}`, device: nested.device });
      if (problem === undefined) queue.push({ at, folder: `${place.folder}${path}` });
      else onNote(`left out ${JSON.stringify(at)}: ${problem}`);
    }
  }
  noteSpecials(places, scans, onNote);
  const all = [...patterns, ...separate];
  const trees = places.map((place, i): PackedTree => ({
    ...place,
    exclude: patternsBelow(all, latin1(place.at)),
    ...(place.made === true && i > 0 && { only: addedNames(system.where, place.folder) }),
  }));
  return {
    layers: split === undefined ? [{ name: '', trees }] : splitTrees(system.where.scratch, trees, split.layers()),
    expected: { entries: sum(scans, ({ entries }) => entries), bytes: sum(scans, ({ bytes }) => bytes) },
  };
}

/** What is added to a root has no entry for the root. */
function withoutRoot(excluded: RegExp): RegExp {
  return new RegExp(`^\\./$|${excluded.source}`);
}

function addedNames({ scratch, prefix }: OpenSystem['where'], folder: string): string {
  const file = join(scratch, 'added');
  writeFileSync(
    file,
    readdirSync(`${prefix}${folder}`)
      .sort()
      .map((name) => `./${name}\0`)
      .join(''),
  );
  return file;
}

function sum(scans: readonly Scan[], value: (scan: Scan) => number): number {
  return scans.reduce((total, scan) => total + value(scan), 0);
}

/** Layers of packages below one of the rest. Names go through files: there are more of them than a command line takes. */
function splitTrees(scratch: string, trees: readonly PackedTree[], packages: readonly PackageLayer[]): PlannedLayer[] {
  const nameList = (name: string, names: readonly string[], end: string): string => {
    const file = join(scratch, name);
    writeFileSync(file, names.map((name) => `${name}${end}`).join(''), { encoding: 'latin1' });
    return file;
  };
  const layers = packages.map(({ name, files }, i): PlannedLayer => ({
    name,
    // The whiteouts, and what patterns leave out, are not among the names.
    trees: files.flatMap((names, place) =>
      names.length === 0 ? [] : [{ ...trees[place]!, exclude: [], only: nameList(`layer${i}-${place}`, names, '\0') }],
    ),
  }));
  const rest = trees.map((tree, place) => ({
    ...tree,
    without: nameList(
      `packaged-${place}`,
      packages.flatMap(({ files }) => files[place] ?? []),
      '\n',
    ),
  }));
  return [...layers, { name: '', trees: rest }];
}

/** What a user means: only `*` is special. */
function excludePattern(path: string): string {
  return literalPattern(latin1(`./${path.replace(/^[./]+/, '').replace(/\/+$/, '')}`)).replaceAll('\\*', '*');
}

function swapFiles({ tree, fstab }: { tree: GuestTree; fstab: OpenSystem['fstab'] }): string[] {
  const named = fstab
    .filter(({ spec, type }) => type === 'swap' && spec.startsWith('/') && !spec.startsWith('/dev/'))
    .map(({ spec }) => spec);
  return [...new Set([...named, ...SWAP_FILES])].flatMap((path) => {
    const end = SWAP_MAGIC.at + SWAP_MAGIC.text.length;
    const isSwap = tree.readFile(path, end)?.toString('latin1', SWAP_MAGIC.at, end) === SWAP_MAGIC.text;
    return isSwap ? [tree.resolve(path)!.path] : [];
  });
}

function noteSpecials(places: readonly { at: string }[], scans: readonly Scan[], onNote: (line: string) => void): void {
  let holes = 0;
  for (const [i, { at }] of places.entries()) {
    const scan = scans[i]!;
    const guestPath = (path: string): string =>
      JSON.stringify(Buffer.from(`${at === '/' ? '' : at}${path.slice(1)}`, 'latin1').toString('utf8'));
    if (scan.whiteouts.length > 0)
      onNote(
        `left out ${scan.whiteouts.length} files whose names begin with .wh., which means "deleted" in a layer: ${scan.whiteouts.slice(0, 3).map(guestPath).join(', ')}`,
      );
    if (scan.beforeEpoch > 0) onNote(`${scan.beforeEpoch} files were modified before 1970, which a layer cannot say: they get 1970-01-01`);
    if (scan.afterLatest > 0)
      onNote(`${scan.afterLatest} files were modified after 2242-03-16, which a layer cannot say: they get that day`);
    if (scan.sockets > 0) onNote(`left out ${scan.sockets} sockets`);
    for (const { path, bytes, holes: size } of scan.sparse) {
      holes += size;
      onNote(`${guestPath(path)} is sparse, and becomes ${formatBytes(bytes)} in the layer`);
      if (holes > MAX_HOLE_BYTES)
        throw new LayerswarmError(
          'too-large',
          `sparse files such as ${guestPath(path)} would add ${formatBytes(holes)} of zeros to the layer: leave it out with --exclude`,
        );
    }
  }
}
