import Docker from 'dockerode';
import type { Readable } from 'node:stream';
import { onAbort, unlessAborted } from '../async/abort.ts';
import { errorCode, LayerswarmError } from '../errors.ts';

/** Milliseconds for a question to the engine. */
const ASK_TIMEOUT = 30_000;

export interface EngineImage {
  /** The config's digest with a graph driver; the manifest's with the containerd image store. */
  readonly id: string;
  /** `name@sha256:…`: registries that are known to hold it. Empty for what was only built here. */
  readonly repoDigests: readonly string[];
  readonly layers: number;
  /** Bytes, unpacked. */
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** A Docker Engine, through its API. */
export class DockerEngine {
  readonly #docker: Docker;
  readonly #where: string;

  private constructor(docker: Docker, where: string) {
    this.#docker = docker;
    this.#where = where;
  }

  /**
   * @param host as in DOCKER_HOST: `unix:///path` or `tcp://host:port`; `/var/run/docker.sock` when absent
   * @throws `usage`
   */
  static at(host = 'unix:///var/run/docker.sock'): DockerEngine {
    const url = URL.parse(host);
    if (url?.protocol === 'unix:' && url.pathname !== '') return new DockerEngine(new Docker({ socketPath: url.pathname }), host);
    if ((url?.protocol === 'tcp:' || url?.protocol === 'http:') && url.hostname !== '')
      return new DockerEngine(new Docker({ host: url.hostname, port: url.port === '' ? 2375 : url.port, protocol: 'http' }), host);
    throw new LayerswarmError(
      'usage',
      `expected DOCKER_HOST such as unix:///var/run/docker.sock or tcp://host:2375, received ${JSON.stringify(host.slice(0, 200))}`,
    );
  }

  /** Whether it runs on this host, and so reaches this host's loopback addresses. */
  get isLocal(): boolean {
    return this.#where.startsWith('unix:');
  }

  /** Where it looks first for images of Docker Hub. @throws `unavailable` */
  async mirrors(signal?: AbortSignal): Promise<readonly string[]> {
    const { RegistryConfig } = (await this.#ask('its mirrors', signal, () => this.#docker.info())) as {
      RegistryConfig?: { Mirrors?: readonly string[] | null };
    };
    return RegistryConfig?.Mirrors ?? [];
  }

  /** @throws `not-found`, `unavailable` when the engine cannot be reached */
  async inspect(name: string, signal?: AbortSignal): Promise<EngineImage> {
    const { Id, RepoDigests, RootFS, Size, Config } = await this.#ask(`the image ${name}`, signal, () =>
      this.#docker.getImage(name).inspect(),
    );
    return { id: Id, repoDigests: RepoDigests ?? [], layers: RootFS?.Layers?.length ?? 0, size: Size, labels: Config?.Labels ?? {} };
  }

  /**
   * Pushes an image to a registry under a name that it has only meanwhile; the engine compresses what it holds unpacked, and so
   * fixes the digests. @throws `unavailable` with what the engine says
   */
  async push(
    image: string,
    { repository, tag }: { readonly repository: string; readonly tag: string },
    options: { signal?: AbortSignal | undefined; onProgress?: (line: string) => void } = {},
  ): Promise<void> {
    const { signal, onProgress } = options;
    const name = `${repository}:${tag}`;
    await this.#ask(`tagging ${image}`, signal, () => this.#docker.getImage(image).tag({ repo: repository, tag }));
    try {
      const stream = await this.#docker
        .getImage(name)
        .push({
          ...(signal === undefined ? {} : { abortSignal: signal }),
          authconfig: { username: '', password: '', serveraddress: repository },
        });
      await this.#follow(stream, onProgress);
    } catch (error) {
      throw this.#explain(error, `pushing ${image}`, signal);
    } finally {
      await this.#ask(`taking the name ${name} away`, undefined, () => this.#docker.getImage(name).remove({ noprune: true })).catch(
        (error: unknown) => {
          if (errorCode(error) !== 'not-found') throw error;
        },
      );
    }
  }

  /** Takes an image as `docker load` does. @throws `unavailable` with what the engine says */
  async load(archive: Readable, signal?: AbortSignal): Promise<void> {
    await this.#send(archive, 'loading the image', signal, () => this.#docker.loadImage(archive, { quiet: true }));
  }

  /**
   * Makes an image of a tar of its root, as `docker import` does.
   * @param changes lines of a Dockerfile
   * @throws `unavailable` with what the engine says
   */
  async importRoot(
    tar: Readable,
    { repository, tag }: { readonly repository: string; readonly tag: string },
    changes: readonly string[],
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#send(tar, 'importing the image', signal, () =>
      this.#docker.importImage(tar, { repo: repository, tag, changes: [...changes] }),
    );
  }

  /** Brings an image into the engine unless it is there. @throws `unavailable` with what the engine says */
  async ensure(reference: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.inspect(reference, signal);
      return;
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error;
    }
    try {
      await this.#follow(
        await this.#docker.pull(reference, signal === undefined ? {} : { abortSignal: signal }),
        undefined,
        `pulling ${reference}`,
      );
    } catch (error) {
      throw this.#explain(error, `${reference}, nor can it pull that`, signal);
    }
  }

  /** Also while it runs, with its anonymous volumes. @throws `not-found` */
  async removeContainer(name: string): Promise<void> {
    await this.#ask(`the container ${name}`, undefined, () => this.#docker.getContainer(name).remove({ force: true, v: true }));
  }

  /** @throws `not-found` */
  async remove(image: string): Promise<void> {
    await this.#ask(`the image ${image}`, undefined, () => this.#docker.getImage(image).remove());
  }

  /** Whether the host's control groups are of version 1. @throws `unavailable` when the engine cannot be reached */
  async usesCgroupV1(signal?: AbortSignal): Promise<boolean> {
    const { CgroupVersion } = (await this.#ask('a question', signal, () => this.#docker.info())) as { CgroupVersion?: string };
    return CgroupVersion !== '2';
  }

  async hasContainer(name: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#ask(`the container ${name}`, signal, () => this.#docker.getContainer(name).inspect());
      return true;
    } catch (error) {
      if (errorCode(error) === 'not-found') return false;
      throw error;
    }
  }

  /** Makes a container, and leaves it to the caller. @throws `usage` when there is one of that name */
  async create(name: string | undefined, options: Docker.ContainerCreateOptions): Promise<Docker.Container> {
    return await this.#ask('the image of the container', undefined, async () => {
      try {
        return await this.#docker.createContainer({ ...options, ...(name !== undefined && { name }) });
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode !== 409) throw error;
        throw nameTaken(name ?? '', error);
      }
    });
  }

  /** What `docker save` gives. @throws `not-found`, `unavailable` */
  async save(name: string, signal?: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const stream = await this.#ask(`saving ${name}`, signal, () => this.#docker.getImage(name).get());
    signal?.addEventListener('abort', () => (stream as NodeJS.ReadableStream & { destroy(): void }).destroy(), { once: true });
    return stream as AsyncIterable<Buffer>;
  }

  /** Streams an archive to the engine, and waits for what it says at the end. */
  async #send(
    archive: Readable,
    what: string,
    signal: AbortSignal | undefined,
    begin: () => Promise<NodeJS.ReadableStream>,
  ): Promise<void> {
    // An archive whose source fails ends the request, and its error says more than the engine's.
    const broken = Promise.withResolvers<never>();
    archive.once('error', broken.reject);
    broken.promise.catch(() => undefined);
    const stop = (): void => void archive.destroy(new LayerswarmError('aborted', `${what}: given up by whoever asked`));
    using _ = onAbort(signal, stop);
    try {
      const stream = await Promise.race([begin(), broken.promise]);
      await Promise.race([this.#follow(stream, undefined, what), broken.promise]);
    } catch (error) {
      throw this.#explain(error, what, signal);
    }
  }

  async #follow(stream: NodeJS.ReadableStream, onProgress: ((line: string) => void) | undefined, what = 'pushing'): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let failure: string | undefined;
    this.#docker.modem.followProgress(
      stream,
      (error) => {
        if (error !== null && error !== undefined) reject(error);
        else resolve();
      },
      (event: unknown) => {
        const { error, status, id } = event as { error?: unknown; status?: unknown; id?: unknown };
        if (typeof error === 'string') failure = error;
        if (typeof status === 'string') onProgress?.(typeof id === 'string' ? `${id}: ${status}` : status);
      },
    );
    await promise;
    if (failure !== undefined) throw new LayerswarmError('unavailable', `the Docker Engine failed while ${what}: ${failure.slice(0, 300)}`);
  }

  async #ask<T>(what: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const timeout = AbortSignal.timeout(ASK_TIMEOUT);
    const ended = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      return await unlessAborted(run(), ended);
    } catch (error) {
      throw this.#explain(error, what, signal);
    }
  }

  #explain(error: unknown, what: string, signal: AbortSignal | undefined): LayerswarmError {
    if (error instanceof LayerswarmError) return error;
    if (signal?.aborted === true) return new LayerswarmError('aborted', `${what}: given up by whoever asked`, { cause: error });
    const { statusCode, code, json, message } = error as Error & { statusCode?: number; code?: string; json?: { message?: string } | null };
    // dockerode puts its own words before those of an answer that is a stream
    const said = (json?.message ?? message.replace(/^\(HTTP code \d+\) .*? - /, ''))
      .trim()
      .replace(/\p{Cc}+/gu, ' ')
      .slice(0, 300);
    if (statusCode === 404)
      return new LayerswarmError('not-found', `the Docker Engine at ${this.#where} does not have ${what}: ${said}`, { cause: error });
    if (statusCode !== undefined) return new LayerswarmError('unavailable', `the Docker Engine refused ${what}: ${said}`, { cause: error });
    if (code === 'EACCES')
      return new LayerswarmError('denied', `this user may not use the Docker Engine at ${this.#where}: add it to the engine's group`, {
        cause: error,
      });
    return new LayerswarmError(
      'unavailable',
      `the Docker Engine at ${this.#where} does not answer (${code ?? message}): check that it runs, or set DOCKER_HOST`,
      { cause: error },
    );
  }
}

export function nameTaken(name: string, cause?: unknown): LayerswarmError {
  return new LayerswarmError('usage', `there is a container ${name} already: choose another --name, or docker rm -f ${name}`, { cause });
}
