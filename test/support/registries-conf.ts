import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes a `registries.conf` as skopeo and podman read it: pulls from `prefix` ask `mirror` (host:port, plain HTTP)
 * first and then `location`, so that image names stay as they are.
 */
export function writeRegistriesConf(
  dir: string,
  { prefix, location = prefix, mirror }: { prefix: string; location?: string; mirror: string },
): string {
  const file = join(dir, 'registries.conf');
  writeFileSync(
    file,
    [
      'unqualified-search-registries = []',
      'short-name-mode = "disabled"',
      '[[registry]]',
      `prefix = "${prefix}"`,
      `location = "${location}"`,
      'insecure = true',
      '[[registry.mirror]]',
      `location = "${mirror}"`,
      'insecure = true',
      '',
    ].join('\n'),
  );
  return file;
}
