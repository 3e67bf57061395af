import { fileURLToPath } from 'node:url';

/** `ts` in a checkout, `js` in the package. */
export const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** `src/` of a checkout or `dist/` of the package, wherever in it the compiler has put this module. Ends with a slash. */
export const PROGRAM = new URL(/^.*\/(?:src|dist)\//.exec(import.meta.url)![0]);

/** The package's own folder, in a checkout and where it is installed. */
export const HOME = fileURLToPath(new URL('../', PROGRAM));

/** A module that is started by itself, as a thread or a process. `name`: its path without extension, such as `cli/main`. */
export function programFile(name: string): URL {
  return new URL(`${name}.${EXTENSION}`, PROGRAM);
}
