import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

/** Calls that change what is on the disk. */
const CALLBACKS = ['write', 'fdatasync'] as const;
const SYNC = ['writeSync', 'ftruncateSync', 'renameSync', 'rmSync', 'unlinkSync', 'writeFileSync', 'mkdirSync'] as const;
const PROMISES = ['rename', 'rm', 'unlink', 'writeFile', 'mkdir', 'copyFile', 'open'] as const;
const HANDLE = ['write', 'writeFile', 'truncate', 'sync', 'datasync'] as const;

type Call = (...args: unknown[]) => unknown;

/**
 * A process that dies between two steps of what it writes, one for each number: from the step on nothing reaches the disk, neither what
 * was to follow nor what cleans up after it. Patches Node's own file functions for as long as it lives.
 */
export class DyingDisk implements AsyncDisposable {
  /** Steps since `arm`. */
  steps = 0;
  #dieAt = Infinity;
  #isArmed = false;
  readonly #restore: (() => void)[] = [];

  static async prepare(path: string): Promise<DyingDisk> {
    const disk = new DyingDisk();
    const file = await fs.promises.open(path, 'w');
    const handle = Object.getPrototypeOf(file) as Record<string, Call>;
    await file.close();
    disk.#patch(fs as unknown as Record<string, Call>, SYNC, (call, self, args) => {
      disk.#step();
      return call.apply(self, args);
    });
    disk.#patch(fs as unknown as Record<string, Call>, CALLBACKS, (call, self, args) => {
      try {
        disk.#step();
      } catch (error) {
        return setImmediate(args.at(-1) as (error: unknown) => void, error);
      }
      return call.apply(self, args);
    });
    for (const [target, names] of [
      [fs.promises as unknown as Record<string, Call>, PROMISES],
      [handle, HANDLE],
    ] as const) {
      disk.#patch(target, names, async (call, self, args) => {
        disk.#step();
        return await call.apply(self, args);
      });
    }
    disk.#patch(DatabaseSync.prototype as unknown as Record<string, Call>, ['exec'], (call, self, args) => {
      if (args[0] !== 'ROLLBACK') disk.#step();
      return call.apply(self, args);
    });
    syncBuiltinESMExports();
    return disk;
  }

  /** The steps from now on count, and those from `dieAt` on do not happen. */
  arm(dieAt: number): void {
    this.steps = 0;
    this.#dieAt = dieAt;
    this.#isArmed = true;
  }

  /** Everything works again. */
  disarm(): void {
    this.#isArmed = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const restore of this.#restore) restore();
    syncBuiltinESMExports();
    await Promise.resolve();
  }

  #step(): void {
    if (this.#isArmed && ++this.steps >= this.#dieAt) throw Object.assign(new Error('EIO: the process is dead'), { code: 'EIO' });
  }

  #patch(target: Record<string, Call>, names: readonly string[], around: (call: Call, self: unknown, args: unknown[]) => unknown): void {
    for (const name of names) {
      const call = target[name]!;
      target[name] = function (this: unknown, ...args: unknown[]) {
        return around(call, this, args);
      };
      this.#restore.push(() => {
        target[name] = call;
      });
    }
  }
}
