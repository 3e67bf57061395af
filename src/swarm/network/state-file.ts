import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { LayerswarmError } from '../../errors.ts';
import { makeFolders } from '../../folders.ts';

const MAX_STATE_BYTES = 8 << 20;

/** Reads what `writeStateFile` wrote. A file that is missing, too large or not of this form is as good as none: its content can be learned again. */
export async function readStateFile<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  try {
    if ((await stat(path)).size > MAX_STATE_BYTES) return undefined;
    const parsed = schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the file as a whole: a reader, or a crash, finds the old content or the new. @throws `store-unwritable`, `disk-full` */
export async function writeStateFile(path: string, content: unknown): Promise<void> {
  await writeStateText(path, `${JSON.stringify(content)}\n`);
}

/** The same of what is no JSON. @throws `store-unwritable`, `disk-full` */
export async function writeStateText(path: string, content: string): Promise<void> {
  await writeBeside(path, content, 0o644, rename);
}

/** Makes a file that only its owner can read. @throws `usage` when there is one already; `store-unwritable` */
export async function makeSecretFile(path: string, content: string | Uint8Array): Promise<void> {
  await writeBeside(path, content, 0o600, async (temporary) => {
    try {
      // A link, unlike a rename, fails where the name is taken.
      await link(temporary, path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      throw new LayerswarmError('usage', `${path} exists; a key is never overwritten: choose another name, or remove the file first`, {
        cause,
      });
    } finally {
      await unlink(temporary);
    }
  });
}

async function writeBeside(
  path: string,
  content: string | Uint8Array,
  mode: number,
  place: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  try {
    await makeFolders(dirname(path));
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(temporary, path);
  } catch (cause) {
    if (cause instanceof LayerswarmError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new LayerswarmError(
      code === 'ENOSPC' || code === 'EDQUOT' ? 'disk-full' : 'store-unwritable',
      `cannot write ${path}: ${code ?? 'unknown error'}`,
      { cause },
    );
  }
}
