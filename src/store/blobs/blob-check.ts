import { fstatSync, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Checkpoints } from '../blob-store.ts';
import { giveBuffer, READ_LENGTH, takeBuffer } from '../disk/buffer-pool.ts';
import { checkpointLengthFor, PrefixHash } from '../partial/prefix-hash.ts';

/** What tells one content of a file from another without reading it, as text: inode, size, time of the last write. */
export type FileIdentity = string;

export function identityOf(fd: number): FileIdentity {
  return identity(fstatSync(fd));
}

export async function identityAt(path: string): Promise<FileIdentity> {
  return identity(await stat(path));
}

function identity({ ino, size, mtimeMs }: Stats): FileIdentity {
  return `${ino}/${size}/${mtimeMs}`;
}

/** Knows which files were found right, for whoever opens them. */
export interface FileGuard {
  /** What the file is to be compared with: its prefix digests, or `unknown`; undefined where it was found right not long ago. */
  expected(file: FileIdentity): Promise<Checkpoints | 'unknown' | undefined> | Checkpoints | 'unknown' | undefined;
  /** All of it was read, and is right. `found`: the digests of its prefixes. */
  right(file: FileIdentity, found: Checkpoints): void;
  /** It is not what it was, or cannot be read. Resolves when nobody is given it any more. */
  wrong(): Promise<void>;
}

/** How the bytes of one open file are compared with what was proven. */
export interface ReaderGuard {
  /** Undefined where the file was found right not long ago. @param anew what was compared before does not count */
  begin(file: FileIdentity, anew: boolean): Promise<BlobCheck | undefined>;
  /** The disk cannot give all of it. Resolves when nobody is given it any more. */
  lost(): Promise<void>;
}

/** Fills `bytes` with what the file has at `position`. */
export type ReadAt = (bytes: Uint8Array, position: number) => Promise<void>;

export interface BlobCheckOptions {
  readonly digest: Digest;
  readonly size: number;
  readonly expected: Checkpoints | 'unknown';
  readonly right: (found: Checkpoints) => void;
  readonly wrong: () => Promise<void>;
}

/**
 * Compares a stored file with the digests of its prefixes, a checkpoint at a time and no further than it is read: a disk may have changed a
 * bit since the blob was proven. One for all who read the file at once; whoever needs the next part reads it.
 */
export class BlobCheck {
  readonly #options: BlobCheckOptions;
  readonly #hash: PrefixHash;
  readonly #list: readonly Buffer[] | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: BlobCheckOptions) {
    const { digest, expected, size } = options;
    this.#options = options;
    this.#hash = new PrefixHash(digest.algorithm, size);
    // Lists of another checkpoint length can be compared only at their end.
    this.#list = expected !== 'unknown' && expected.checkpointLength === checkpointLengthFor(size) ? expected.digests : undefined;
  }

  /** Resolves when the bytes before `end` were found right. @throws `digest-mismatch`, and what `read` throws */
  async through(end: number, read: ReadAt): Promise<void> {
    const { size } = this.#options;
    const { checkpointLength } = this.#hash;
    const target = this.#list === undefined ? size : Math.min(size, Math.ceil(end / checkpointLength) * checkpointLength);
    if (this.#hash.position >= target && (size > 0 || end === 0)) return;
    const turn = this.#turn.then(() => this.#hashTo(target, read));
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #hashTo(target: number, read: ReadAt): Promise<void> {
    const buffer = takeBuffer();
    try {
      while (this.#hash.position < target) {
        const { position } = this.#hash;
        const bytes = buffer.subarray(0, Math.min(READ_LENGTH, target - position));
        await read(bytes, position);
        this.#hash.update(bytes);
        if (!this.#agrees()) await this.#fail();
      }
    } finally {
      giveBuffer(buffer);
    }
    const { size, right } = this.#options;
    if (this.#hash.position === size) right({ size, checkpointLength: this.#hash.checkpointLength, digests: this.#hash.digests });
  }

  #agrees(): boolean {
    const { digest, size } = this.#options;
    const { digests, position } = this.#hash;
    const last = digests.at(-1);
    if (last === undefined) return true;
    if (position === size && !last.equals(digest.bytes())) return false;
    return this.#list === undefined || last.equals(this.#list[digests.length - 1]!);
  }

  async #fail(): Promise<never> {
    const { digest, wrong } = this.#options;
    // Whoever asks again finds it as wrong.
    this.#hash.rewind(0);
    await wrong();
    throw new LayerswarmError(
      'digest-mismatch',
      `the disk gives other bytes of ${digest.toString()} than were proven; the copy is put aside`,
    );
  }
}

/** Files that were read in part are remembered so many of: one that is forgotten is compared from its beginning again. */
const MAX_RUNNING = 256;

/** The checks of one thread that are under way. */
export class BlobChecks {
  readonly #running = new Map<string, BlobCheck>();

  /** How readers of a blob's file are to see to it that they give what was proven. */
  guarding(digest: Digest, size: number, guard: FileGuard): ReaderGuard {
    return { begin: (file, anew) => this.of(digest, size, file, guard, anew), lost: () => guard.wrong() };
  }

  /** What the file has to be compared by before bytes of it leave; undefined where that is not needed. */
  async of(digest: Digest, size: number, file: FileIdentity, guard: FileGuard, anew: boolean): Promise<BlobCheck | undefined> {
    const key = `${digest.toString()} ${file}`;
    if (anew) this.#running.delete(key);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const expected = await guard.expected(file);
    if (expected === undefined) return undefined;
    const begun = this.#running.get(key);
    if (begun !== undefined) return begun;
    const end = (): void => {
      if (this.#running.get(key) === check) this.#running.delete(key);
    };
    const check = new BlobCheck({
      digest,
      size,
      expected,
      right: (found) => {
        end();
        guard.right(file, found);
      },
      wrong: async () => {
        await guard.wrong();
        end();
      },
    });
    this.#running.set(key, check);
    if (this.#running.size > MAX_RUNNING) this.#running.delete(this.#running.keys().next().value!);
    return check;
  }
}
