import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../src/version.ts';
import { CHART } from '../helm/chart.ts';
import { writeArchive } from './archive.ts';
import type { Target } from './debian.ts';
import { run } from './run.ts';

/** `layerswarm-VERSION-chart.tgz`, as `helm install` takes it. */
export async function writeChart({ work, output, date }: Pick<Target, 'work' | 'output' | 'date'>): Promise<void> {
  const parent = join(work, 'chart');
  // what the chart shares with others is linked into it
  mkdirSync(parent);
  await run('cp', ['-rL', CHART, join(parent, 'layerswarm')]);
  await writeArchive(parent, 'layerswarm', join(output, `layerswarm-${version}-chart.tgz`), date);
}
