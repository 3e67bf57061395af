/** Lints the chart, and makes the plain YAML of `config/kubernetes` out of it, with the helm of this machine: `npm run chart`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../release/run.ts';
import { CHART, chartDigest, RENDERED } from './chart.ts';

const TARGET = join(import.meta.dirname, '../kubernetes');
const ORIGIN = ['--set', 'config.origin=https://registry.example'];

await run('helm', ['lint', '--strict', CHART, ...ORIGIN]);
mkdirSync(TARGET, { recursive: true });
for (const [name, options] of Object.entries(RENDERED)) {
  const yaml = await run('helm', [
    'template',
    'layerswarm',
    CHART,
    '--namespace',
    'layerswarm',
    '--kube-version',
    '1.31',
    ...ORIGIN,
    ...options,
  ]);
  const tidy = yaml
    .split('\n')
    .filter((line) => !line.startsWith('# Source:'))
    .map((line) => line.trimEnd())
    .join('\n');
  writeFileSync(join(TARGET, name), `# Made of the chart by "npm run chart", chart ${chartDigest()}\n${tidy}`);
  console.log(join(TARGET, name));
}
