import { readFile } from 'node:fs/promises';
import { LayerswarmError } from '../errors.ts';

/** A list beyond this is none. */
const MAX_BYTES = 1 << 20;

/** References of a file, one a line; what follows a # is a comment. `-` is standard input. @throws `usage` */
export async function readReferenceList(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    throw new LayerswarmError(
      'usage',
      `--file: expected a readable list of references, received ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      { cause: error },
    );
  }
  if (text.length > MAX_BYTES)
    throw new LayerswarmError('usage', `--file: expected at most ${MAX_BYTES} characters, received ${text.length}`);
  const lines = text.split('\n').map((line) => line.replace(/(^|\s)#.*$/, '').trim());
  const malformed = lines.findIndex((line) => /\s/.test(line));
  if (malformed !== -1)
    throw new LayerswarmError(
      'usage',
      `${file}:${malformed + 1}: expected one reference a line, received ${JSON.stringify(lines[malformed]!.slice(0, 100))}`,
    );
  return [...new Set(lines.filter((line) => line !== ''))];
}
