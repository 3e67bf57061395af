import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { LayerswarmError } from '../../errors.ts';
import { runProgram, startDaemon, type Daemon, type Surroundings } from '../program/run-program.ts';

/** A qemu-storage-daemon, told what to do over QMP on its standard input. */
export class StorageDaemon {
  readonly #where: Surroundings;
  readonly #daemon: Daemon;
  readonly #answers: AsyncIterator<string>;
  #nodes = 0;

  private constructor(where: Surroundings, daemon: Daemon) {
    this.#where = where;
    this.#daemon = daemon;
    this.#answers = createInterface({ input: daemon.child.stdout! })[Symbol.asyncIterator]();
    // Writing to a daemon that has ended fails; its end is reported where an answer is awaited.
    daemon.child.stdin!.on('error', () => undefined);
  }

  /** @param outlive whether it goes on when this process ends */
  static async start(where: Surroundings, outlive = false): Promise<StorageDaemon> {
    const daemon = await startDaemon(
      where,
      'qemu-storage-daemon',
      ['--chardev', 'stdio,id=qmp,signal=off', '--monitor', 'chardev=qmp'],
      'pipe',
      outlive,
    );
    const self = new StorageDaemon(where, daemon);
    await self.#execute('qmp_capabilities', {});
    return self;
  }

  /** Opens a disk image read-only. Returns the node's name and its size in bytes: qemu's own, since a VHD is padded to whole cylinders. */
  async open(node: Record<string, unknown>): Promise<{ node: string; size: number }> {
    const name = `base${this.#nodes++}`;
    await this.#execute('blockdev-add', { ...node, 'node-name': name });
    const nodes = (await this.#execute('query-named-block-nodes', { flat: true })) as {
      'node-name': string;
      image: { 'virtual-size': number };
    }[];
    return { node: name, size: nodes.find((candidate) => candidate['node-name'] === name)!.image['virtual-size'] };
  }

  /** Shows a node as a file that cannot be written. */
  async exportReadOnly(node: string, path: string): Promise<void> {
    await this.#export(node, path, false);
  }

  /** Shows bytes of a node as a file, writable onto a throw-away overlay: it takes what a journal's replay writes. */
  async exportOverlay(node: string, { offset, size }: { offset: number; size: number }, path: string): Promise<void> {
    const id = this.#nodes++;
    await this.#execute('blockdev-add', { driver: 'raw', 'node-name': `window${id}`, 'read-only': true, offset, size, file: node });
    const file = join(this.#where.scratch, `${basename(path)}.overlay`);
    // Created without naming its backing file: what it lies on is said below, and nowhere in a file.
    await runProgram(this.#where, 'qemu-img', ['create', '-q', '-f', 'qcow2', file, String(size)]);
    await this.#execute('blockdev-add', {
      driver: 'qcow2',
      'node-name': `overlay${id}`,
      backing: `window${id}`,
      file: { driver: 'file', filename: file },
    });
    await this.#export(`overlay${id}`, path, true);
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
  }

  /** Lets this process end while the daemon goes on. */
  release(): void {
    this.#daemon.release();
  }

  async #export(node: string, path: string, writable: boolean): Promise<void> {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
    await this.#execute('block-export-add', {
      type: 'fuse',
      id: `export-${node}`,
      'node-name': node,
      mountpoint: path,
      writable,
      'allow-other': 'off',
    });
  }

  async #execute(execute: string, args: Record<string, unknown>): Promise<unknown> {
    this.#daemon.child.stdin!.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    for (;;) {
      const line = await this.#answers.next();
      if (line.done === true) {
        await this.#daemon.ended;
        throw this.#daemon.failure();
      }
      const answer = JSON.parse(line.value) as { return?: unknown; error?: { desc?: string } };
      if (answer.error !== undefined)
        throw new LayerswarmError('unavailable', `qemu-storage-daemon refused ${execute}: ${answer.error.desc ?? 'no reason given'}`);
      if (answer.return !== undefined) return answer.return;
    }
  }
}
