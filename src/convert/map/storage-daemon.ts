import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    const daemon = await startDaemon(where, 'qemu-storage-daemon', ['--chardev', 'stdio,id=qmp,signal=off', '--monitor', 'chardev=qmp'], 'pipe', outlive);
    const self = new StorageDaemon(where, daemon);
    await self.#execute('qmp_capabilities', {});
    return self;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  /** Opens `node` read-only below a throw-away overlay, which takes what a journal's replay writes. Returns the overlay's name and its size in bytes. */
  async openWithOverlay(node: Record<string, unknown>, name: string): Promise<{ node: string; size: number }> {
    const base = `base${this.#nodes++}`;
    await this.#execute('blockdev-add', { ...node, 'node-name': base });
    const size = await this.#virtualSize(base);
    const file = join(this.#where.scratch, `${name}.overlay`);
    // Created without naming its backing file: what it lies on is said below, and nowhere in a file.
    await runProgram(this.#where, 'qemu-img', ['create', '-q', '-f', 'qcow2', file, String(size)]);
    await this.#execute('blockdev-add', { driver: 'qcow2', 'node-name': `overlay-${base}`, backing: base, file: { driver: 'file', filename: file } });
    return { node: `overlay-${base}`, size };
  }

  /** Shows bytes of a node as a file. */
  async exportWindow(node: string, path: string, window: { offset: number; size: number } | undefined, writable: boolean): Promise<void> {
    let exported = node;
    if (window !== undefined) {
      exported = `window${this.#nodes++}`;
      await this.#execute('blockdev-add', { driver: 'raw', 'node-name': exported, offset: window.offset, size: window.size, file: node });
    }
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
    await this.#execute('block-export-add', { type: 'fuse', id: `export${this.#nodes++}`, 'node-name': exported, mountpoint: path, writable, 'allow-other': 'off' });
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
  }

  /** Lets this process end while the daemon goes on. */
  release(): void {
    this.#daemon.child.unref();
    for (const stream of [this.#daemon.child.stdin, this.#daemon.child.stdout, this.#daemon.child.stderr]) stream?.destroy();
  }

  /** qemu's own: a VHD is padded to whole cylinders. */
  async #virtualSize(node: string): Promise<number> {
    const nodes = await this.#execute('query-named-block-nodes', { flat: true }) as { 'node-name': string; image: { 'virtual-size': number } }[];
    return nodes.find((candidate) => candidate['node-name'] === node)!.image['virtual-size'];
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
      if (answer.error !== undefined) throw new LayerswarmError('unavailable', `qemu-storage-daemon refused ${execute}: ${answer.error.desc ?? 'no reason given'}`);
      if (answer.return !== undefined) return answer.return;
    }
  }
}
