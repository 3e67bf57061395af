import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/**
 * What each part may import, beside itself and `COMMON`. Types of a part may also be imported by those that are listed with
 * "type:". A part that is not listed here fails the test: say where it belongs.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  oci: [],
  http: [],
  origin: ['oci', 'type:store'],
  store: ['oci'],
  swarm: ['store', 'origin', 'oci'],
  registry: ['swarm', 'store', 'origin', 'oci', 'http'],
  status: ['http'],
  control: ['type:status'],
  copy: ['store', 'origin', 'oci'],
  containerd: ['store', 'oci'],
  docker: ['oci'],
  setup: [],
  seed: ['copy', 'docker', 'store', 'origin', 'oci'],
  convert: ['docker', 'store', 'origin', 'oci'],
  replicate: ['copy', 'store', 'origin', 'oci'],
  agent: [
    'registry',
    'status',
    'control',
    'containerd',
    'docker',
    'convert',
    'copy',
    'seed',
    'replicate',
    'setup',
    'swarm',
    'store',
    'origin',
    'oci',
  ],
  // what others build on: nobody here imports it
  library: ['agent', 'control', 'convert', 'origin', 'oci'],
  cli: ['agent', 'control', 'convert', 'docker', 'oci', 'origin', 'seed', 'swarm', 'store', 'type:status', 'setup'],
};
/**
 * The rooms of a part, each with those that it may import; the files beside them put the part together and may import all. `common` are
 * those of them that every room may import.
 */
const ROOMS: Readonly<Record<string, { readonly common: readonly string[]; readonly rooms: Readonly<Record<string, readonly string[]>> }>> =
  {
    agent: {
      common: ['peer-names.ts', 'schedule.ts'],
      rooms: {
        config: [],
        charter: ['config'],
        health: ['config'],
        'swarm-view': [],
        origins: ['config', 'charter', 'health'],
        pull: [],
        keep: ['config', 'pull'],
        seed: ['config', 'origins', 'keep', 'swarm-view'],
        replicate: [],
        view: ['config', 'charter', 'health', 'origins', 'pull', 'keep'],
      },
    },
    store: {
      common: ['blob-store.ts', 'store-error.ts'],
      rooms: {
        disk: [],
        db: ['disk'],
        partial: ['disk', 'type:blobs'],
        blobs: ['disk', 'db', 'partial'],
        images: ['db', 'blobs'],
        care: ['disk', 'db', 'partial', 'blobs', 'images'],
      },
    },
  };
/** What every part may import: files, and a room with its files. */
const COMMON = new Set(['bounded-map.ts', 'errors.ts', 'folders.ts', 'glob.ts', 'log.ts', 'program-files.ts', 'quantity.ts', 'version.ts']);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
  /** Loaded when it is needed: `import('…')`. */
  readonly isLazy: boolean;
}

function imports(): Import[] {
  const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const found = [
      ...text.matchAll(/(?:^|\n)\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+'(\.[^']+)'/g),
      ...text.matchAll(/\bimport\((')(\.[^']+)'\)/g),
    ];
    return found.map(([, type, to]): Import => ({
      from: relative(SRC, file),
      to: relative(SRC, resolve(dirname(file), to!)),
      isType: type?.trim() === 'type',
      isLazy: type === "'",
    }));
  });
}

function isCommon(path: string): boolean {
  return COMMON.has(path) || partOf(path) === 'async';
}

function partOf(path: string): string {
  return path.split('/')[0]!;
}

test('imports point one way', (t) => {
  const all = imports();
  t.true(all.length > 100, 'the imports are found');
  for (const { from, to, isType } of all) {
    const [part, target] = [partOf(from), partOf(to)];
    if (isCommon(from)) {
      t.true(isCommon(to), `${from} must import no part, and imports ${to}`);
    } else if (part !== target && !isCommon(to)) {
      const allowed = ALLOWED[part];
      t.truthy(allowed, `${from}: the part "${part}" has no place in the direction of imports`);
      t.true(
        allowed?.includes(target) === true || (isType && allowed?.includes(`type:${target}`) === true),
        `${from} must not import ${to}`,
      );
    }
  }
});

/** Where the code of the two threads stands; what both are made of, each alike, is in neither list. */
const IN_MAIN =
  /^swarm\/(thread\/(bulk-threads?|thread-(network|origins|store)|lent-partial|remote-body)|network\/(libp2p-|content-routing|discovery\/))/;
const IN_BULK = /^swarm\/thread\/(bulk-worker|worker-|progress-reports)/;

test('bulk threads and the main thread share no code of their own, and nobody else reaches into them', (t) => {
  const all = imports().filter(({ isType }) => !isType);
  /** With all that it imports, and so on. */
  const reached = (from: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(from)) return seen;
    seen.add(from);
    for (const { to } of all.filter((each) => each.from === from)) reached(to, seen);
    return seen;
  };
  const inBulk = reached('swarm/thread/bulk-worker.ts');
  t.true(inBulk.size > 30, 'the imports are found');
  for (const file of inBulk) t.notRegex(file, IN_MAIN);
  for (const { from, to } of all) {
    if (IN_BULK.test(to)) t.regex(from, IN_BULK);
    if (to.startsWith('swarm/thread/') && !from.startsWith('swarm/thread/'))
      t.is(to, 'swarm/thread/bulk-threads.ts', `${from} must not import ${to}`);
  }
});

test('the rooms of a part import each other one way', (t) => {
  const all = imports();
  for (const [part, { common, rooms }] of Object.entries(ROOMS)) {
    const roomOf = (path: string): string | undefined => (path.split('/').length > 2 ? path.split('/')[1] : undefined);
    for (const { from, to, isType } of all.filter((each) => partOf(each.from) === part && partOf(each.to) === part)) {
      const [room, target] = [roomOf(from), roomOf(to)];
      if (room === undefined || room === target) continue;
      const allowed = rooms[room];
      t.truthy(allowed, `${from}: the room "${room}" has no place in the direction of imports`);
      if (target === undefined)
        t.true(
          common.some((file) => to === `${part}/${file}`),
          `${from} must not import ${to}`,
        );
      else
        t.true(
          allowed?.includes(target) === true || (isType && allowed?.includes(`type:${target}`) === true),
          `${from} must not import ${to}`,
        );
    }
  }
});

test('no file imports itself by way of others, not even its types', (t) => {
  const needs = Map.groupBy(
    imports().filter(({ isLazy }) => !isLazy),
    ({ from }) => from,
  );
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    t.false(way.includes(file), [...way.slice(way.indexOf(file)), file].join(' -> '));
    if (done.has(file) || way.includes(file)) return;
    for (const { to } of needs.get(file) ?? []) visit(to, [...way, file]);
    done.add(file);
  };
  for (const file of needs.keys()) visit(file, []);
});
