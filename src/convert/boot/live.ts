import { randomUUID } from 'node:crypto';
import { lstatSync, readlinkSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { onAbort } from '../../async/abort.ts';
import { DockerEngine } from '../../docker/engine.ts';
import { LayerswarmError } from '../../errors.ts';
import { Cleanup } from '../cleanup.ts';
import { openSystem } from '../open-system.ts';
import { checkDiskFile } from '../source/open-source.ts';
import { checkName, startAndWait, type BootOptions, type BootReceipt } from './boot.ts';
import { systemContainer } from './container-options.ts';
import { guardLive } from './guard-live.ts';
import { overlaySystem, type LiveTree } from './overlay.ts';

/** Docker makes these itself. */
const RUNTIME_FOLDERS = new Set(['/dev', '/proc', '/sys', '/run']);
const STOP_SECONDS = 10;

/**
 * Starts a container from the mapped folder itself, without converting, and stays until it ends or `signal` ends it: the mounts live as
 * long as this call. What the system writes is gone afterwards.
 * @param onUp called once the system is up
 */
export async function bootLive(disk: string, options: BootOptions, onUp: (receipt: BootReceipt) => void): Promise<void> {
  for (const file of [disk, ...(options.moreDisks ?? [])]) checkDiskFile(file);
  if (process.getuid?.() !== 0)
    throw new LayerswarmError(
      'usage',
      '--live mounts the disk where the Docker Engine sees it, and only root may: run as root, or leave out --live',
    );
  const { signal } = options;
  const engine = DockerEngine.at(process.env['DOCKER_HOST'] || undefined);
  // Asked first: without an engine nothing need be mounted.
  const cgroupV1 = await engine.usesCgroupV1(signal);
  await checkName(engine, options.containerName, signal);
  await using cleanup = new Cleanup();
  const system = await openSystem(disk, { ...options, visible: true }, cleanup);
  const live = await overlaySystem(system, options.adapt !== false, cleanup);

  const name = { repository: 'layerswarm-live', tag: randomUUID() };
  const image = `${name.repository}:${name.tag}`;
  await engine.importRoot(await skeleton(live), name, ['CMD ["/sbin/init"]'], signal);
  cleanup.add(async () => {
    await engine.remove(image);
  });
  const container = await engine.create(
    options.containerName,
    systemContainer({ image, cgroupV1, network: options.network, binds: binds(live) }),
  );
  cleanup.add(guardLive(container.id, image));
  const receipt = await startAndWait(container, image, options);
  cleanup.add(async () => {
    await container.remove({ force: true, v: true });
  });
  onUp(receipt);

  using _ = onAbort(signal, () => {
    container.stop({ t: STOP_SECONDS }).catch(() => undefined); // It may have ended by itself; the removal below is what counts.
  });
  await container.wait();
}

/** Docker mounts nothing at `/`: every folder at the top is mounted on its own. */
function binds({ folders, tree }: LiveTree): string[] {
  const top = tree
    .list('/')
    .map((name) => `/${name}`)
    .filter((path) => lstatSync(tree.hostPath(path)).isDirectory() && !RUNTIME_FOLDERS.has(path) && !path.includes(':'));
  const others = folders.slice(1).filter(({ at }) => !top.includes(at) && !at.includes(':'));
  return [...top.map((path) => `${tree.hostPath(path)}:${path}`), ...others.map(({ at, folder }) => `${folder}:${at}`)];
}

/** What is at the top and no folder: links such as `bin`, and small files. */
async function skeleton({ tree }: LiveTree): Promise<Readable> {
  const archive = pack();
  for (const name of tree.list('/')) {
    const path = tree.hostPath(`/${name}`);
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) archive.entry({ name, type: 'symlink', linkname: readlinkSync(path) });
    else if (stat.isDirectory()) archive.entry({ name: `${name}/`, type: 'directory', mode: stat.mode & 0o7777 });
    else if (stat.isFile() && stat.size < 65_536) archive.entry({ name, mode: stat.mode & 0o7777 }, readFileSync(path));
  }
  archive.finalize();
  return Readable.from([Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>))]);
}
