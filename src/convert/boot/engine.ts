import Docker from 'dockerode';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { LayerswarmError } from '../../errors.ts';

/** What starting a system needs of the Docker Engine. */
export class Engine {
  readonly #docker = new Docker();
  readonly #signal: AbortSignal | undefined;

  private constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** The engine of DOCKER_HOST, or of the default socket. */
  static async connect(signal: AbortSignal | undefined): Promise<Engine> {
    const engine = new Engine(signal);
    try {
      await engine.#docker.ping();
    } catch (error) {
      throw new LayerswarmError('unavailable', `the Docker Engine cannot be reached: ${(error as Error).message}; start it, or say where it is with DOCKER_HOST`, { cause: error });
    }
    return engine;
  }

  /** Whether control groups are of version 1: then a system manager needs the host's, read-only. */
  async usesCgroupV1(): Promise<boolean> {
    const info = await this.#docker.info() as { CgroupVersion?: string };
    return info.CgroupVersion !== '2';
  }

  /** Loads an archive, as `docker load` does. */
  async load(archive: Readable): Promise<void> {
    await this.#follow(await this.#docker.loadImage(archive, { quiet: true }) as Readable, 'load the image');
  }

  /** Makes an image of a tar of its root, as `docker import` does. */
  async importRoot(tar: Readable, name: string, changes: readonly string[]): Promise<void> {
    const [repo, tag] = splitTag(name);
    await this.#follow(await this.#docker.importImage(tar, { repo, tag, changes: [...changes] }) as Readable, 'import the image');
  }

  async removeImage(name: string): Promise<void> {
    await this.#docker.getImage(name).remove();
  }

  /** Brings an image into the engine unless it is there. */
  async ensureImage(reference: string): Promise<void> {
    if (await this.#has(reference)) return;
    try {
      await this.#follow(await this.#docker.pull(reference) as Readable, `pull ${reference}`);
    } catch (error) {
      throw new LayerswarmError('not-found', `${reference} is neither a disk image nor an image that the Docker Engine has or can pull: ${(error as Error).message}`, { cause: error });
    }
  }

  async create(name: string | undefined, options: Docker.ContainerCreateOptions): Promise<Docker.Container> {
    try {
      return await this.#docker.createContainer({ ...options, ...(name !== undefined && { name }) });
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode === 409) throw new LayerswarmError('usage', `there is a container ${name} already: choose another --name, or docker rm -f ${name}`, { cause: error });
      throw new LayerswarmError('unavailable', `the Docker Engine cannot make the container: ${(error as Error).message}`, { cause: error });
    }
  }

  async #has(reference: string): Promise<boolean> {
    try {
      await this.#docker.getImage(reference).inspect();
      return true;
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode === 404) return false;
      throw error;
    }
  }

  /** Reads the engine's progress to its end: a failure comes in the middle of an answer that began well. */
  async #follow(progress: Readable, what: string): Promise<void> {
    let text = '';
    const stop = (): void => { progress.destroy(); };
    this.#signal?.addEventListener('abort', stop, { once: true });
    try {
      for await (const chunk of progress) text = (text + String(chunk)).slice(-65_536);
    } finally {
      this.#signal?.removeEventListener('abort', stop);
    }
    this.#signal?.throwIfAborted();
    const failed = text.split('\n').map((line) => /"error":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1]).find((error) => error !== undefined);
    if (failed !== undefined) throw new LayerswarmError('unavailable', `the Docker Engine could not ${what}: ${failed.slice(0, 300)}`);
  }
}

export type SystemState = 'running' | 'degraded' | 'other';
const POLL_MS = 200;

/** Runs a command in a container, and gives what it prints. */
export async function execIn(container: Docker.Container, command: readonly string[]): Promise<string> {
  const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true, Tty: true });
  const stream = await exec.start({ Tty: true }) as unknown as AsyncIterable<Buffer>;
  let text = '';
  for await (const chunk of stream) text = (text + chunk.toString('utf8')).slice(-65_536);
  return text.trim();
}

/** Waits until systemd has started what it should, or has given some of it up. */
export async function waitForSystem(container: Docker.Container, timeoutMs: number, signal: AbortSignal | undefined): Promise<'running' | 'degraded'> {
  const end = performance.now() + timeoutMs;
  let state = 'nothing yet';
  while (performance.now() < end) {
    signal?.throwIfAborted();
    const { State } = await container.inspect();
    if (!State.Running) throw new LayerswarmError('unavailable', `the container has ended with exit code ${State.ExitCode}${State.Error === '' ? '' : `: ${State.Error}`}`);
    state = await execIn(container, ['systemctl', 'is-system-running']);
    if (state === 'running' || state === 'degraded') return state;
    await delay(POLL_MS);
  }
  throw new LayerswarmError('timeout', `the system has not come up within ${timeoutMs / 1000} s: systemctl is-system-running says ${JSON.stringify(state.slice(0, 100))}`);
}

function splitTag(name: string): [string, string] {
  const colon = name.lastIndexOf(':');
  return colon === -1 ? [name, 'latest'] : [name.slice(0, colon), name.slice(colon + 1)];
}
