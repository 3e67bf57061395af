import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The chart's folder. */
export const CHART = join(import.meta.dirname, 'layerswarm');

/** What the chart is made into as plain YAML, in `config/kubernetes`. */
export const RENDERED: Readonly<Record<string, readonly string[]>> = {
  'layerswarm.yaml': ['--no-hooks'],
  'pod-network.yaml': ['--no-hooks', '--set', 'hostNetwork=false'],
  'monitoring.yaml': [
    '--show-only',
    'templates/monitoring.yaml',
    '--set',
    'monitoring.podMonitor=true,monitoring.rules=true,monitoring.dashboard=true',
  ],
  'undo.yaml': ['--show-only', 'templates/undo.yaml', '--show-only', 'templates/undo-wait.yaml'],
};

/** Over all files of the chart, so that plain YAML tells of which one it was made. */
export function chartDigest(): string {
  const hash = createHash('sha256');
  const files = [...globSync('**/*', { cwd: CHART }), ...globSync('monitoring/*', { cwd: CHART })].sort();
  for (const file of new Set(files)) {
    const content = contentOf(join(CHART, file));
    if (content !== undefined) hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') return undefined;
    throw error;
  }
}
