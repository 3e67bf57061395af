import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { LayerswarmError } from '../errors.ts';
import { ABSENT, type FileState, makeFolder, readState, removeEmptyFolder, sameContent, writeState } from './file-state.ts';

/** One file that setup changed. */
export interface BackupFile {
  readonly path: string;
  /** What was there before the first setup. */
  readonly before: FileState;
  /** SHA-256 of what setup wrote, in hex: more than one while a setup replaces an earlier one's work. */
  readonly written: readonly string[];
}

/** What one runtime's setup changed, and how it was before. */
export interface Backup {
  readonly files: readonly BackupFile[];
  /** Folders that setup made, outermost first. */
  readonly folders: readonly string[];
}

const path = z.string().regex(/^\//).max(4096);
const fileState = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('absent') }),
  z.object({ kind: z.literal('file'), content: z.base64(), mode: z.int().min(0).max(0o7777), uid: z.int().min(0), gid: z.int().min(0) }),
]);
const document = z.object({
  format: z.literal(1),
  folders: z.array(path).max(10_000),
  files: z.array(z.object({ path, before: fileState, written: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(100) })).max(10_000),
});

/** The backup of one runtime: one file, written before anything is changed and removed after everything is back. */
export class BackupFileStore {
  readonly path: string;
  readonly #root: string;

  /** Paths are kept as they are within `root`, so that a host made of an image can undo what was set up in the image. */
  constructor(folder: string, runtime: string, root: string) {
    this.path = join(folder, `${runtime}.json`);
    this.#root = root;
  }

  /** undefined without one. @throws `config-invalid` for a damaged one */
  async read(): Promise<Backup | undefined> {
    const state = await readState(this.path);
    if (state.kind === 'absent') return undefined;
    const parsed = document.safeParse(parseJson(state.content));
    if (!parsed.success)
      throw new LayerswarmError(
        'config-invalid',
        `${this.path}: expected the backup of an earlier setup, received something else: move it away after restoring by hand what it holds`,
      );
    const within = (path: string): string => join(this.#root, path);
    return {
      folders: parsed.data.folders.map(within),
      files: parsed.data.files.map((file) => ({ ...file, path: within(file.path), before: decode(file.before) })),
    };
  }

  /** @throws `denied`, `disk-full` */
  async write({ folders, files }: Backup): Promise<void> {
    const within = (path: string): string => join('/', relative(this.#root, path));
    const text = JSON.stringify(
      {
        format: 1,
        folders: folders.map(within),
        files: files.map((file) => ({ ...file, path: within(file.path), before: encode(file.before) })),
      },
      undefined,
      2,
    );
    await makeFolder(dirname(this.path), 0o700);
    await writeState(this.path, { kind: 'file', content: Buffer.from(`${text}\n`), mode: 0o600, ...owner() });
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
    await removeEmptyFolder(dirname(this.path));
  }
}

/** The owner of what this process writes. */
export function owner(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

/** Who wrote what is there now. */
export function authorOf(file: BackupFile, now: FileState): 'before' | 'setup' | 'foreign' {
  if (now.kind === 'file' && file.written.includes(sha256(now.content))) return 'setup';
  return sameContent(now, file.before) ? 'before' : 'foreign';
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

type Encoded = z.infer<typeof fileState>;

function encode(state: FileState): Encoded {
  return state.kind === 'absent' ? { kind: 'absent' } : { ...state, content: state.content.toString('base64') };
}

function decode(state: Encoded): FileState {
  return state.kind === 'absent' ? ABSENT : { ...state, content: Buffer.from(state.content, 'base64') };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // the schema says what was expected
  }
}
