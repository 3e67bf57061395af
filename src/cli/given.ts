import { access } from 'node:fs/promises';
import { LayerswarmError } from '../errors.ts';
import { parsePlatform } from '../oci/platform.ts';
import { Reference } from '../oci/reference.ts';

/** What a person gave is looked at before an agent is asked for: of two things that are wrong, theirs is the one that they can mend at once. */

/** @throws `reference-invalid` */
export function checkReference(text: string): void {
  Reference.parse(text, { defaultRegistry: 'origin.invalid' });
}

/** `all` stands for each that there is. @throws `usage` */
export function checkPlatforms(texts: readonly string[]): void {
  for (const text of texts) if (text !== 'all') parsePlatform(text);
}

/** Whatever the agent may see: a source that nothing is at for this command is most likely misspelled. @throws `not-found` */
export async function checkFileOf(source: string): Promise<void> {
  const { parseSource, splitName } = await import('../seed/source/source-name.ts');
  const name = parseSource(source);
  if (name.kind === 'docker') return;
  const { path } = name.kind === 'tar' || name.kind === 'disk' ? name : await splitName(name);
  try {
    await access(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new LayerswarmError('not-found', `there is no file ${path}`, { cause: error });
  }
}
