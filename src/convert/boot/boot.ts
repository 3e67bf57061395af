import { createReadStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { DockerEngine, nameTaken } from '../../docker/engine.ts';
import { errorCode, LayerswarmError } from '../../errors.ts';
import { convertDisk, imageName, type ConvertOptions } from '../convert.ts';
import { checkDiskFile } from '../source/open-source.ts';
import { systemContainer } from './container-options.ts';
import { execIn, waitForSystem } from './system-state.ts';

export interface BootOptions extends ConvertOptions {
  /** Of the container. */
  readonly containerName?: string | undefined;
  /** Docker's network mode; its default otherwise. */
  readonly network?: string | undefined;
  /**
   * Brings an image that the engine does not have into it, and says what it is called there; undefined where nobody here has it either,
   * so that the engine is to pull it.
   */
  readonly bring?: ((reference: string) => Promise<string | undefined>) | undefined;
  /** How long the system may take to come up. */
  readonly timeoutMs?: number | undefined;
}

/** On every image that boot makes. */
const BOOT_LABEL = 'io.layerswarm.boot';
const BOOT_TIMEOUT_MS = 120_000;

export interface BootReceipt {
  readonly container: string;
  readonly name: string;
  readonly image: string;
  readonly state: 'running' | 'degraded' | 'started';
  /** From the container's start. */
  readonly seconds: number;
  /** Units that systemd could not start. */
  readonly failed: readonly string[];
}

/** Starts a container of a disk image's file, or of an image reference, and waits until its system is up. */
export async function boot(source: string, options: BootOptions): Promise<BootReceipt> {
  const { signal } = options;
  for (const disk of [...(isPath(source) ? [source] : []), ...(options.moreDisks ?? [])]) checkDiskFile(disk);
  const engine = DockerEngine.at(process.env['DOCKER_HOST'] || undefined);
  // Asked first: without an engine nothing need be converted.
  const cgroupV1 = await engine.usesCgroupV1(signal);
  await checkName(engine, options.containerName, signal);
  const stat = statSync(source, { throwIfNoEntry: false });
  const isDisk = stat?.isFile() === true || stat?.isBlockDevice() === true;
  const image = isDisk ? await loadDisk(engine, source, options) : await present(engine, source, options);
  const container = await engine.create(options.containerName, systemContainer({ image, cgroupV1, network: options.network }));
  return await startAndWait(container, image, options);
}

/** No image is called so, or none without a tag. */
function isPath(source: string): boolean {
  return /^[./~]/.test(source) || /\.(?:qcow2|img|raw|vmdk|vdi|vhdx?|ova)(?:\.(?:gz|xz|zst|bz2))?$/i.test(source);
}

/** Asked before a disk is converted; whoever takes the name meanwhile is found out when the container is made. */
export async function checkName(engine: DockerEngine, name: string | undefined, signal: AbortSignal | undefined): Promise<void> {
  if (name !== undefined && (await engine.hasContainer(name, signal))) throw nameTaken(name);
}

/** Starts a container that was made; one that does not come up is removed. */
export async function startAndWait(
  container: Docker.Container,
  image: string,
  { timeoutMs = BOOT_TIMEOUT_MS, signal }: BootOptions,
): Promise<BootReceipt> {
  const begin = performance.now();
  try {
    await container.start();
    const hasSystemd = (await execIn(container, ['sh', '-c', 'command -v systemctl'])).endsWith('systemctl');
    const state = hasSystemd ? await waitForSystem(container, timeoutMs, signal) : 'started';
    const failed = state === 'degraded' ? await failedUnits(container) : [];
    const { Id, Name } = await container.inspect();
    return { container: Id, name: Name.replace(/^\//, ''), image, state, seconds: (performance.now() - begin) / 1000, failed };
  } catch (error) {
    await container.remove({ force: true, v: true });
    if (error instanceof LayerswarmError) throw error;
    throw new LayerswarmError('unavailable', `the container cannot be started: ${(error as Error).message}`, { cause: error });
  }
}

async function failedUnits(container: Docker.Container): Promise<string[]> {
  const lines = await execIn(container, ['systemctl', '--failed', '--plain', '--no-legend', '--no-pager']);
  return lines
    .split(/\r?\n/)
    .map((line) => line.trim().split(/\s+/, 1)[0]!)
    .filter((unit) => unit !== '');
}

/** What the engine calls the image, once it has it. */
async function present(engine: DockerEngine, reference: string, { bring, signal }: BootOptions): Promise<string> {
  try {
    await engine.inspect(reference, signal);
    return reference;
  } catch (error) {
    if (errorCode(error) !== 'not-found') throw error;
  }
  const brought = await bring?.(reference);
  if (brought !== undefined) return brought;
  try {
    await engine.ensure(reference, signal);
  } catch (error) {
    if (errorCode(error) === 'aborted') throw error;
    throw new LayerswarmError(
      'not-found',
      `${reference} is neither a disk image nor an image that the Docker Engine has or can pull: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return reference;
}

/** Uncompressed: the engine would only unpack it again. */
async function loadDisk(engine: DockerEngine, disk: string, options: BootOptions): Promise<string> {
  const name = options.name ?? `layerswarm/boot/${imageName(disk)}`;
  await checkTag(engine, name, options.signal);
  const folder = mkdtempSync(join(options.scratch ?? tmpdir(), 'layerswarm-boot-'));
  try {
    const file = join(folder, 'image.tar');
    await convertDisk(disk, { kind: 'archive', file }, { ...options, name, compression: 'none', labels: { [BOOT_LABEL]: 'true' } });
    await checkTag(engine, name, options.signal);
    await engine.load(createReadStream(file, { highWaterMark: 1024 * 1024 }), options.signal);
    return name;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A tag that somebody else made is never moved. */
async function checkTag(engine: DockerEngine, name: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    const { labels } = await engine.inspect(name, signal);
    if (labels[BOOT_LABEL] === undefined)
      throw new LayerswarmError(
        'usage',
        `the Docker Engine has another image ${name}, which boot did not make: rename the disk's file, or docker rmi ${name}`,
      );
  } catch (error) {
    if (errorCode(error) !== 'not-found') throw error;
  }
}
