import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOME } from './program-files.ts';

interface PackageFile {
  readonly version: string;
}

/** Version of the package. */
export const { version } = JSON.parse(readFileSync(join(HOME, 'package.json'), 'utf8')) as PackageFile;
