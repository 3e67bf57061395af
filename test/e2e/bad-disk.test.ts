import test from 'ava';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountBadDisk } from '../support/bad-disk.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { getBlob, getManifest, pullEverything } from '../support/registry-client.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';

const MIB = 1 << 20;
const TOOLS = ['root', 'mkfs.ext4', 'tune2fs', 'mkfs.btrfs', 'docker-registry'];

test('a disk that cannot read a blob, and then takes no bytes, ends neither the agent nor a pull', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(240_000);
  const registry = await startDockerRegistry(t);
  const held = await pushImage(registry, 'team/held', 'v1', [randomBytes(3 * MIB), randomBytes(2 * MIB)]);
  const next = await pushImage(registry, 'team/next', 'v1', [randomBytes(5 * MIB)]);
  const disk = await mountBadDisk(t, 700);
  const agent = await startAgent(t, { origin: registry.url, data: join(disk.path, 'data') });
  const [first, second] = held.layers;
  await pullEverything(agent.registry, 'team/held', 'v1');
  const path = agent.blobPath(first!.digest.toString());

  await disk.spoil(path, first!.bytes);
  t.throws(() => readFileSync(path), { code: 'EIO' });
  t.true(
    (await getBlob(agent.registry, 'team/held', first!.digest.toString())).bytes.equals(first!.bytes),
    'a client gets it from elsewhere',
  );
  await agent.waitForStatus('the copy to be there anew', ({ images }) =>
    images.some(({ reference, complete }) => reference.endsWith('/team/held:v1') && complete),
  );
  t.true(readFileSync(path).equals(first!.bytes));

  // what a member asks for cannot be read either
  await disk.spoil(agent.blobPath(second!.digest.toString()), second!.bytes);
  const member = await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(agent) });
  await member.waitForPeers(1);
  t.is(await pullEverything(member.registry, 'team/held', 'v1'), held.config.bytes.length + 5 * MIB);
  t.deepEqual((await member.status()).bans, []);

  disk.refuseWrites();
  const manifest = await getManifest(agent.registry, 'team/next', 'v1');
  t.is(manifest.status, 200, `${manifest.bytes.toString()}\n${agent.program.stderr}`);
  t.true(
    (await getBlob(agent.registry, 'team/next', next.layers[0]!.digest.toString())).bytes.equals(next.layers[0]!.bytes),
    'what is new passes through',
  );
  await pullEverything(agent.registry, 'team/next', 'v1');
  await pullEverything(agent.registry, 'team/held', 'v1');
  await agent.waitForStatus(
    'the store to say so',
    ({ health: { parts } }) => parts['store']?.level === 'bad' && /EIO|EROFS/.test(parts['store'].sentence),
  );
  t.is(agent.program.exit, undefined, agent.program.stderr);
  t.is((await agent.status()).strayErrors, 0, agent.program.stderr);
  const { code, stderr } = await agent.stop();
  t.is(code, 0, stderr);
});
