import { DockerEngine } from '../../docker/engine.ts';

/* A process of its own; see `guardLive`. */
const [container, image] = process.argv.slice(2) as [string, string];
process.stdin.resume();
process.stdin.once('end', () => {
  void removeAll();
});

async function removeAll(): Promise<void> {
  const engine = DockerEngine.at(process.env['DOCKER_HOST'] || undefined);
  for (const remove of [() => engine.removeContainer(container), () => engine.remove(image)]) {
    // It is gone already when the container ended in order.
    await remove().catch(() => undefined);
  }
}
