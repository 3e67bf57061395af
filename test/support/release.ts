import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { version } from '../../src/version.ts';
import type { Cleanup } from './cleanup.ts';
import { runOk } from './process.ts';
import { tempDir } from './temp-dir.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface Release {
  readonly dir: string;
  readonly archive: string;
  readonly debian: string;
  readonly image: string;
}

/** What is rolled out for this machine, made once for all the tests of a run. */
export async function release(cleanup: Cleanup): Promise<Release> {
  // npm test gives each run a folder of temporary files of its own
  const dir = process.env['SWARM_TEST_RUN'] === undefined ? tempDir(cleanup, 'rel') : join(tmpdir(), 'release');
  if (!existsSync(join(dir, 'SHA256SUMS'))) {
    const made = `${dir}.made`;
    await makeRelease(['--machine', 'x64', '--output', made]);
    mkdirSync(dir, { recursive: true });
    renameSync(made, dir);
  }
  return {
    dir,
    archive: join(dir, `layerswarm-${version}-linux-x64.tar.gz`),
    debian: join(dir, `layerswarm_${version}_amd64.deb`),
    image: join(dir, `layerswarm-${version}-image-x64.tar`),
  };
}

/** As `npm run release -- …` does it; under any environment the same bytes. */
export async function makeRelease(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<void> {
  await runOk(process.execPath, [join(ROOT, 'config/release/release.ts'), ...args], { cwd: ROOT, env, deadline: 300_000 });
}

/** Unpacks the archive into an empty folder, and gives the command in it. */
export async function unpackArchive(cleanup: Cleanup, archive: string): Promise<string> {
  const dir = tempDir(cleanup, 'arc');
  await runOk('tar', ['-xzf', archive, '-C', dir]);
  return join(dir, basename(archive, '.tar.gz'), 'bin/layerswarm');
}
