import { readFileSync } from 'node:fs';

interface PackageFile {
  readonly version: string;
}

/** Version of the package: its file lies one folder up from `src/` and `dist/` alike. */
export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as PackageFile;
