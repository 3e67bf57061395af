import { programFile } from '../../program-files.ts';
import type { Runnable } from '../program/run-program.ts';

/** What `tree-reader.ts` is to do. */
export interface ReaderTask {
  /** `scan`: what find prints for `scan.ts`; `pack`: what tar gives. */
  readonly kind: 'scan' | 'pack';
  readonly file: string;
  readonly offset: number;
  readonly size: number;
  /** Set for erofs: the folder with the contents of its files. An ext file system otherwise. */
  readonly unpacked?: string | undefined;
  /** The folder to begin at, latin1; the whole file system otherwise. */
  readonly below?: string | undefined;
  /** For `pack`: where it belongs in the guest, latin1. */
  readonly at?: string;
  /** A regular expression of what is left out, with names such as `./etc/fstab`. */
  readonly excluded?: string;
  /** A file with names, each ended by a NUL: nothing else is packed. */
  readonly only?: string | undefined;
  /** A file with names, one a line: these are left out too. */
  readonly without?: string | undefined;
}

export const TREE_READER: Runnable = { name: 'the reader of file systems', script: programFile('convert/reader/tree-reader') };

/** For its command line. */
export function readerTask(task: ReaderTask): string {
  return JSON.stringify(task);
}
