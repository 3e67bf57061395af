import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CleanupStack } from '../support/cleanup.ts';
import type { FailingDisk } from '../support/failing-disk.ts';
import { type Agent, type AgentOptions, startAgent } from '../support/layerswarm.ts';
import type { Host } from '../support/netns.ts';
import { runOk } from '../support/process.ts';

/** What a process holds. */
export interface Footprint {
  readonly files: number;
  readonly sockets: number;
  /** Bytes. */
  readonly resident: number;
}

export interface ChaosNodeOptions {
  readonly index: number;
  readonly host: Host;
  readonly isLiar: boolean;
  /** Where its data is, when something happens to that. */
  readonly disk: FailingDisk | undefined;
  readonly agent: Omit<AgentOptions, 'host'> & { readonly data: string };
}

/** A node that is killed, stopped and started again, by one at a time. */
export class ChaosNode {
  readonly index: number;
  readonly host: Host;
  readonly isLiar: boolean;
  readonly disk: FailingDisk | undefined;
  /** Frozen at some time: what hung then is no fault of its. */
  wasFrozen = false;
  /** What its disk holds may be anything, or cannot be read. */
  diskFailed = false;
  /** Wrong on purpose: until it is mended `verify` has something to say. */
  wasFlipped = false;
  /** What each run said, for whoever has to find a cause. */
  readonly logs: string[] = [];
  readonly #cleanup: CleanupStack;
  readonly #options: ChaosNodeOptions['agent'];
  readonly #problems: string[] = [];
  #agent: Agent | undefined;
  #ended = false;
  #last: Promise<void> = Promise.resolve();

  constructor(cleanup: CleanupStack, { index, host, isLiar, disk, agent }: ChaosNodeOptions) {
    this.index = index;
    this.host = host;
    this.isLiar = isLiar;
    this.disk = disk;
    this.#cleanup = cleanup;
    this.#options = agent;
  }

  get name(): string {
    return `node ${this.index}`;
  }

  get data(): string {
    return this.#options.data;
  }

  /** Undefined while it does not run. */
  get agent(): Agent | undefined {
    return this.#agent;
  }

  /** What it did that no fault allows. */
  get problems(): readonly string[] {
    return this.#agent?.program.exit === undefined || this.#ended
      ? this.#problems
      : [...this.#problems, `${this.name} ended by itself: ${this.#agent.program.stderr.slice(-2000)}`];
  }

  /** Does one thing after the other, in the order of the calls. */
  do(what: () => Promise<void>): Promise<void> {
    const result = this.#last.then(what);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async start(): Promise<void> {
    // its folder may be gone already, and would be made anew
    if (this.#cleanup.isOver || (this.#agent !== undefined && this.#agent.program.exit === undefined)) return;
    this.#keepLog();
    try {
      this.#agent = await startAgent(this.#cleanup, { ...this.#options, host: this.host });
    } catch (error) {
      this.#agent = undefined;
      if (!this.diskFailed) this.#problems.push(`${this.name} does not start: ${(error as Error).message.slice(0, 2000)}`);
    }
  }

  async kill(): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined) return;
    this.#ended = true;
    if (agent.program.exit !== undefined) this.#problems.push(`${this.name} ended by itself: ${agent.program.stderr.slice(-2000)}`);
    await agent.kill();
    this.#forget();
  }

  async stop(): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined) return;
    this.#ended = true;
    const { code, signal, stderr } = await agent.program.stop(30_000);
    if (code !== 0) this.#problems.push(`${this.name} ended with ${signal ?? code} when it was told to stop: ${stderr.slice(-1000)}`);
    this.#forget();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (signal === 'SIGSTOP') this.wasFrozen = true;
    this.#agent?.program.kill(signal);
  }

  footprint(): Footprint {
    const pid = this.#agent!.info.pid;
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return ''; // closed since
      }
    });
    const sockets = targets.filter((target) => target.startsWith('socket:')).length;
    return {
      files: targets.length - sockets,
      sockets,
      resident: Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    };
  }

  /** What lies in the data folder and belongs to nothing any more. */
  leftovers(): string[] {
    return ['partial', 'tmp', 'uploads', 'push-uploads'].flatMap((folder) => {
      const path = join(this.data, folder);
      return existsSync(path) ? readdirSync(path).map((name) => join(folder, name)) : [];
    });
  }

  async fill(): Promise<void> {
    const { stdout } = await runOk('df', ['--output=avail', '-B1', this.data]);
    await runOk('fallocate', ['-l', String(Math.max(1, Number(stdout.split('\n')[1]) - (1 << 20))), this.#ballast]);
  }

  empty(): void {
    rmSync(this.#ballast, { force: true });
  }

  get #ballast(): string {
    return join(this.data, '..', 'ballast');
  }

  #forget(): void {
    this.#keepLog();
    this.#agent = undefined;
    this.#ended = false;
  }

  #keepLog(): void {
    if (this.#agent !== undefined) this.logs.push(this.#agent.program.stderr);
  }
}
