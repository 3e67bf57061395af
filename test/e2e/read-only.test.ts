import test from 'ava';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { STORE_LOOK_MS } from '../../src/agent/schedule.ts';
import { isBlobRead, startDockerRegistry } from '../support/docker-registry.ts';
import { mountFailingDisk } from '../support/failing-disk.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { getBlob, getManifest, pullEverything } from '../support/registry-client.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';

const MIB = 1 << 20;

test('a disk that turns read-only in the middle of a pull ends neither the agent nor what it can still give', async (t) => {
  if (!requireTool(t, 'root', 'mkfs.ext4', 'tune2fs', 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  await pushImage(registry, 'team/held', 'v1', [randomBytes(MIB)]);
  const big = await pushImage(registry, 'team/big', 'v1', [randomBytes(24 * MIB)]);
  const layer = big.layers[0]!;
  const next = await pushImage(registry, 'team/next', 'v1', [randomBytes(3 * MIB)]);
  const origin = await startFaultProxy(t, registry.url);
  const disk = await mountFailingDisk(t, 600);
  const agent = await startAgent(t, { origin: origin.url, data: join(disk.path, 'data'), args: ['--tags-ttl', '0s'] });
  t.true((await pullEverything(agent.registry, 'team/held', 'v1')) > 0);

  const heal = origin.inject({ kind: 'slow', bytesPerSecond: 2 * MIB }, { match: isBlobRead });
  t.is((await getManifest(agent.registry, 'team/big', 'v1')).status, 200);
  const pull = getBlob(agent.registry, 'team/big', layer.digest.toString());
  await agent.waitForStatus('some of it', ({ transfers }) => transfers.some(({ haveBytes }) => haveBytes > 4 * MIB));
  disk.breakNow();
  const cut = await pull.catch(() => undefined);
  if (cut?.status === 200) t.true(cut.bytes.equals(layer.bytes) || cut.bytes.length < layer.bytes.length);
  heal();

  t.true((await pullEverything(agent.registry, 'team/held', 'v1')) > 0, 'what is here is served');
  t.true((await getBlob(agent.registry, 'team/big', layer.digest.toString())).bytes.equals(layer.bytes), 'what came half passes through');
  t.true((await pullEverything(agent.registry, 'team/next', 'v1')) >= next.layers[0]!.bytes.length, 'what is new passes through');
  t.is(agent.program.exit, undefined, agent.program.stderr);
  const before = performance.now();
  const { health } = await agent.waitForStatus(
    'the store to have been looked at again',
    () => performance.now() - before > 2 * STORE_LOOK_MS,
  );
  t.is(health.parts['store']?.level, 'bad');
  t.regex(health.parts['store']!.sentence, /read-only|readonly/);
  t.notRegex(agent.program.stderr, /takes new blobs again/);
  const { code, stderr } = await agent.stop();
  t.is(code, 0, stderr);
});

test('with the origin away and a disk that takes nothing, what members hold passes through', async (t) => {
  if (!requireTool(t, 'root', 'mkfs.ext4', 'tune2fs', 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  const image = await pushImage(registry, 'team/app', 'v1', [randomBytes(5 * MIB), randomBytes(64)]);
  const origin = await startFaultProxy(t, registry.url);
  const disk = await mountFailingDisk(t, 600);
  const member = await startAgent(t, { origin: origin.url });
  t.true((await pullEverything(member.registry, 'team/app', 'v1')) > 0);
  const agent = await startAgent(t, { origin: origin.url, data: join(disk.path, 'data'), bootstrap: bootstrapOf(member) });
  await agent.waitForPeers(1);
  disk.breakNow();
  origin.inject({ kind: 'reset' });

  const manifest = await getManifest(agent.registry, 'team/app', 'v1');
  t.is(manifest.status, 200, manifest.bytes.toString('utf8', 0, 500));
  for (const { digest, bytes } of [image.config, ...image.layers]) {
    const whole = await getBlob(agent.registry, 'team/app', digest.toString());
    t.is(whole.status, 200, whole.bytes.toString('utf8', 0, 500));
    t.true(whole.bytes.equals(bytes));
  }
});

test('what comes from members when the disk turns read-only reaches its client, and no member is blamed', async (t) => {
  if (!requireTool(t, 'root', 'mkfs.ext4', 'tune2fs', 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  const { layers } = await pushImage(registry, 'team/big', 'v1', [randomBytes(24 * MIB)]);
  const layer = layers[0]!;
  const disk = await mountFailingDisk(t, 600);
  const member = await startAgent(t, { origin: registry.url, args: ['--limits-upload', '2MB/s'] });
  await pullEverything(member.registry, 'team/big', 'v1');
  const agent = await startAgent(t, { origin: registry.url, data: join(disk.path, 'data'), bootstrap: bootstrapOf(member) });
  await agent.waitForPeers(1);
  t.is((await getManifest(agent.registry, 'team/big', 'v1')).status, 200);
  const pull = getBlob(agent.registry, 'team/big', layer.digest.toString());
  await agent.waitForStatus('some of it', ({ transfers }) => transfers.some(({ haveBytes }) => haveBytes > 4 * MIB));
  disk.breakNow();
  t.true((await pull).bytes.equals(layer.bytes));
  const { bans, health, peers, traffic } = await agent.status();
  t.true(traffic.fromPeersBytes > 4 * MIB);
  t.is(health.parts['store']?.level, 'bad');
  t.deepEqual(bans, []);
  t.true(peers.every(({ badPieces }) => badPieces === 0));
});
