import { LayerswarmError } from '../../errors.ts';
import { mirrorPath } from '../../oci/mirror-path.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import type { RegistryTarget } from '../../setup/runtime.ts';
import type { RegistryStatus } from '../../status/status-document.ts';

/** What a runtime is told about them: `names` of them, or all. @throws `usage` for a name that the agent does not serve */
export function registryTargets(served: readonly RegistryStatus[], names: readonly string[]): RegistryTarget[] {
  const unknown = names.find((name) => !served.some((registry) => registry.name === name));
  if (unknown !== undefined) {
    const known = served.map(({ name }) => name).join(', ');
    throw new LayerswarmError(
      'usage',
      `expected a registry that the agent serves (${known === '' ? 'it serves none by name' : known}), received ${unknown}: add it to mirrors of the agent first`,
    );
  }
  return served
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .map(({ name, kind, url }) => ({ name, server: serverOf(name, url), ...(kind === 'mirror' ? { path: mirrorPath(name) } : {}) }));
}

/** The registry itself, which need not be where the agent reads it: a mirror of it may be nearer. */
function serverOf(name: string, url: string | null): string {
  if (name === 'docker.io') return 'https://registry-1.docker.io';
  return url !== null && registryNameOf(url) === name ? new URL(url).origin : `https://${name}`;
}
