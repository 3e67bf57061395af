import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lockedPackages } from './program.ts';
import { run } from './run.ts';

export const MACHINES = ['x64', 'arm64'] as const;
/** As Node names them. */
export type Machine = (typeof MACHINES)[number];

/**
 * Puts the Node of a machine where the launcher looks for it: from node_modules where npm put it, else as npm downloads it, with the
 * digest that the lock file has. Of the package only the program and its licence are needed.
 */
export async function addNode(root: string, program: string, machine: Machine): Promise<void> {
  const name = `node-linux-${machine}`;
  const locked = lockedPackages(root).get(`node_modules/${name}`);
  if (locked?.integrity === undefined) throw new Error(`expected ${name} with its digest in the lock file, found none`);
  const installed = join(root, 'node_modules', name);
  const source = existsSync(join(installed, 'bin/node')) ? installed : await download(root, name, locked.version, locked.integrity);
  for (const file of ['bin/node', 'LICENSE', 'package.json']) cpSync(join(source, file), join(program, 'node_modules', name, file));
}

/** Kept in node_modules, where the next release finds it. */
async function download(root: string, name: string, version: string, integrity: string): Promise<string> {
  const cache = join(root, 'node_modules/.cache/layerswarm-release');
  const kept = join(cache, `${name}-${version}`);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'making-'));
  try {
    const answer = await run('npm', ['pack', '--silent', '--pack-destination', work, `${name}@${version}`], { cwd: work });
    const file = join(work, answer.trim().split('\n').at(-1)!);
    const [algorithm, digest] = integrity.split(/-(.*)/s) as [string, string];
    const received = createHash(algorithm).update(readFileSync(file)).digest('base64');
    if (received !== digest) throw new Error(`${name}@${version}: expected ${integrity}, received ${algorithm}-${received}`);
    await run('tar', ['-xzf', file, '-C', work]);
    renameSync(join(work, 'package'), kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return kept;
}
