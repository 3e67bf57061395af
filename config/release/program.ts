import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addGlobalOptions, commandTree } from '../../src/cli/command-tree.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { completionScript } from '../../src/cli/completion-script.ts';
import { manualPage } from '../../src/cli/manual-page.ts';
import { run } from './run.ts';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** The packages of the lock file, by their folder. */
export function lockedPackages(root: string): ReadonlyMap<string, LockedPackage> {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, LockedPackage> };
  return new Map(Object.entries(packages).filter(([folder]) => folder !== ''));
}

/** What only compilers, bundlers and browsers read of a package. */
const UNUSED = [
  '**/*.d.ts',
  '**/*.ts',
  '**/*.mts',
  '**/*.cts',
  '**/*.map',
  '**/*.min.js',
  '**/*.md',
  '**/prebuilds',
  '**/.*',
  '**/test',
  '**/tests',
  '**/example',
  '**/examples',
  '**/benchmark',
  '**/coverage',
];
/** Licences go wherever their work goes. */
const KEPT = /(?:^|\/)(?:licen[cs]e|notice|copying)[^/]*$/i;

/**
 * The program and what it depends on, the same for each machine, as `lib/layerswarm`, `bin` and `share` of a folder: compiled, with
 * the packages of the lock file that are needed to run, out of the checkout's own node_modules.
 */
export async function stageProgram(root: string, target: string): Promise<void> {
  const program = join(target, 'lib/layerswarm');
  mkdirSync(program, { recursive: true });
  await run(
    join(root, 'node_modules/.bin/tsc'),
    ['-p', 'tsconfig.build.json', '--outDir', join(program, 'dist'), '--declaration', 'false'],
    { cwd: root },
  );
  await run(process.execPath, [join(root, 'config/release/bundle.ts'), join(program, 'dist')], { cwd: root });
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  const unwanted = files.filter((name) => name.startsWith('!')).map((name) => join(root, name.slice(1)));
  for (const name of ['package.json', ...files]) {
    if (name.startsWith('!') || name === 'dist' || !existsSync(join(root, name))) continue;
    cpSync(join(root, name), join(program, name), { recursive: true, filter: (source) => !unwanted.includes(source) });
  }
  for (const [folder, { version, dev, optional }] of lockedPackages(root)) {
    if (dev === true || optional === true) continue;
    copyPackage(join(root, folder), join(program, folder), version);
  }
  mkdirSync(join(target, 'bin'));
  symlinkSync('../lib/layerswarm/src/cli/layerswarm.sh', join(target, 'bin/layerswarm'));
  chmodSync(join(program, 'src/cli/layerswarm.sh'), 0o755);
  for (const name of ['README.md', 'LICENSE']) cpSync(join(root, name), join(target, name));
  const tree = await commandTree(addGlobalOptions);
  const shared: Readonly<Record<string, string>> = {
    'man/man1/layerswarm.1': manualPage(tree, COMMANDS),
    'bash-completion/completions/layerswarm': completionScript('bash', tree),
    'zsh/vendor-completions/_layerswarm': completionScript('zsh', tree),
    'fish/vendor_completions.d/layerswarm.fish': completionScript('fish', tree),
  };
  for (const [name, content] of Object.entries(shared)) {
    const path = join(target, 'share', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}

function copyPackage(source: string, target: string, version: string): void {
  const installed = existsSync(join(source, 'package.json'))
    ? (JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as { version?: string }).version
    : 'nothing';
  if (installed !== version)
    throw new Error(`${source}: expected version ${version} as the lock file has it, found ${installed}: run "npm ci" first`);
  // packages within it are of the lock file too, and copied by themselves
  cpSync(source, target, { recursive: true, filter: (path) => path === source || !path.slice(source.length).startsWith('/node_modules') });
  for (const path of [...globSync(UNUSED, { cwd: target }), ...commandsOf(target)])
    if (!KEPT.test(path)) rmSync(join(target, path), { recursive: true, force: true });
}

/** Nobody runs the programs that libraries bring along. */
function commandsOf(folder: string): string[] {
  const { bin = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { bin?: string | Record<string, string> };
  return typeof bin === 'string' ? [bin] : Object.values(bin);
}
