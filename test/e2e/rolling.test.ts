import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, type AgentOptions, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { pullEverything } from '../support/registry-client.ts';
import { release, unpackArchive } from '../support/release.ts';
import { requireTool } from '../support/require-tool.ts';
import { waitFor } from '../support/wait-for.ts';

/** Without a divisor in common with the nodes: each node gets every image. */
const IMAGES = 5;
const NODES = 6;

/**
 * Nodes that are restarted one after the other while clients pull through all of them. A client does as containerd does with a
 * `hosts.toml`: where the node does not answer, or breaks off, it goes to the registry itself.
 */
class Crowd {
  readonly nodes: Agent[] = [];
  pulls = 0;
  /** By the registry, since the node was away. */
  elsewhere = 0;
  readonly failed: string[] = [];
  readonly #t: ExecutionContext;
  readonly #registry: DockerRegistry;
  #stopping = false;

  constructor(t: ExecutionContext, registry: DockerRegistry) {
    this.#t = t;
    this.#registry = registry;
  }

  async add(options: AgentOptions): Promise<void> {
    this.nodes.push(await startAgent(this.#t, { ...options, origin: this.#registry.url, bootstrap: bootstrapOf(...this.nodes) }));
  }

  /** Stops the node and starts it anew on the same folder; done when it is in, and the others have it again. */
  async restart(index: number, options: AgentOptions, between: (data: string) => void = () => undefined): Promise<void> {
    const before = this.nodes[index]!;
    const { code } = await before.stop();
    if (code !== 0) this.failed.push(`node ${index} ended with ${code}`);
    between(before.data);
    const others = this.nodes.filter((node) => node !== before);
    this.nodes[index] = await startAgent(this.#t, {
      ...options,
      origin: this.#registry.url,
      data: before.data,
      bootstrap: bootstrapOf(...others),
    });
    await this.nodes[index].waitForStatus('the others', ({ peers, origin }) => peers.length === NODES - 1 && origin.state === 'ok');
  }

  /** Pulls as fast as it can, until the work is done. */
  async during(work: () => Promise<void>): Promise<void> {
    this.#stopping = false;
    const pulling = this.#pullOn();
    try {
      await work();
    } finally {
      this.#stopping = true;
      await pulling;
    }
  }

  /** Every image through every node in turn. */
  async #pullOn(): Promise<void> {
    for (let turn = 0; !this.#stopping; turn++) await this.#pull(turn % NODES, `team/app${turn % IMAGES}`);
  }

  async #pull(index: number, repository: string): Promise<void> {
    this.pulls += 1;
    try {
      await pullEverything(this.nodes[index]!.registry, repository, 'v1');
    } catch (error) {
      // an answer that is no image is a failure, an end of the connection is not
      if (!(error instanceof TypeError)) this.failed.push(String(error));
      this.elsewhere += 1;
      await pullEverything(this.#registry.url, repository, 'v1').catch((reason: unknown) => {
        this.failed.push(String(reason));
      });
    }
  }
}

test('an upgrade, a new key, a new identity and a downgrade, node by node, cost no pull and no store', async (t) => {
  if (!requireTool(t, 'docker-registry', 'apt-get', 'dpkg-deb')) return;
  t.timeout(600_000);
  // the version before: an archive of a release, else the one that this run made
  const archive = process.env['LAYERSWARM_ARCHIVE_BEFORE'] ?? (await release(t)).archive;
  const before = join(await unpackArchive(t, archive), '../../lib/layerswarm/dist/cli/main.js');
  const registry = await startDockerRegistry(t);
  for (let i = 0; i < IMAGES; i++) await pushImage(registry, `team/app${i}`, 'v1', [randomBytes(700_000)]);
  const [oldKey, newKey] = [await makeSwarmKey(t), await makeSwarmKey(t)];
  const crowd = new Crowd(t, registry);
  for (let i = 0; i < NODES; i++) await crowd.add({ swarmKey: oldKey, main: before });

  await crowd.during(async () => {
    for (let i = 0; i < NODES; i++) await crowd.restart(i, { swarmKey: oldKey, args: ['--swarm-key', newKey] });
  });
  t.deepEqual(crowd.failed, [], 'upgrade, and the first round of the keys');

  await crowd.during(async () => {
    for (let i = 0; i < NODES; i++) await crowd.restart(i, { swarmKey: newKey });
  });
  t.deepEqual(crowd.failed, [], 'the second round of the keys');

  const { peerId } = crowd.nodes[1]!.info;
  await crowd.during(async () => {
    await crowd.restart(1, { swarmKey: newKey }, (data) => {
      rmSync(join(data, 'network/peer.key'));
    });
    await waitFor('the others to have the new one', async () =>
      (await crowd.nodes[0]!.status()).peers.some((peer) => peer.peerId === crowd.nodes[1]!.info.peerId),
    );
  });
  t.not(crowd.nodes[1]!.info.peerId, peerId);
  t.deepEqual(crowd.failed, [], 'identity');

  await crowd.during(async () => {
    await crowd.restart(2, { swarmKey: newKey, main: before });
  });
  const { images, bans } = await crowd.nodes[2]!.status();
  t.is(images.filter(({ complete }) => complete).length, IMAGES, 'the older one reads what the newer one kept');
  t.deepEqual(bans, []);
  t.deepEqual(crowd.failed, [], 'downgrade');
  t.true(crowd.pulls > IMAGES * NODES);
  t.log(`${crowd.pulls} pulls, ${crowd.elsewhere} of them from the registry while their node was away`);
});
