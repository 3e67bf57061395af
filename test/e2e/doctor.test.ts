import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Checks {
  readonly checks: readonly { readonly check: string; readonly level: string; readonly sentence: string }[];
}

test('doctor tells what is well and what is not, with an agent and without one', async (t) => {
  const swarmKey = await makeSwarmKey(t);
  const seed = await startAgent(t, { origin: 'embedded', swarmKey, args: ['--name', 'seed'] });
  await pushImage({ url: seed.registry }, 'team/app', 'v1', [Buffer.alloc(300_000, 1)]);
  const other = await startAgent(t, { swarmKey, bootstrap: bootstrapOf(seed) });
  await other.waitForStatus('the origin', ({ origin: { state } }) => state === 'ok');
  await other.cliOk(['pull', 'team/app:v1']);

  const { checks } = await seed.cliJson<Checks>(['doctor']);
  const levels = Object.fromEntries(checks.map(({ check, level }) => [check, level]));
  t.like(levels, {
    agent: 'ok',
    origin: 'ok',
    members: 'ok',
    store: 'ok',
    clock: 'ok',
    versions: 'ok',
    'listen port': 'ok',
    runtimes: 'unknown',
    key: 'ok',
  });
  const [keyId] = (await seed.status()).membership.keyIds;
  t.is(
    checks.find(({ check }) => check === 'key')!.sentence,
    `this node has swarm key ${keyId!}`,
    'of the agent, whatever the configuration says',
  );
  const alone = await startAgent(t, { origin: 'embedded' });
  t.regex((await alone.cli(['doctor'])).stdout, /^degraded +key +there is no swarm key, so that this node is alone on loopback/m);
  await alone.stop();
  t.regex(checks.find(({ check }) => check === 'agent')!.sentence, /^seed 12D3/);

  await other.stop();
  const config = join(tempDir(t), 'layerswarm.yaml');
  writeFileSync(config, 'origin: http://no-such-host.invalid:5000\noriginCa: /nowhere/ca.pem\n');
  const dead = await other.cli(['--config', config, 'doctor']);
  t.is(dead.code, 1);
  const broken = join(tempDir(t), 'broken.yaml');
  writeFileSync(broken, 'zone: "not valid!"\nspeed: 3\n');
  const wrong = (await seed.cli(['--config', broken, 'doctor'])).stdout;
  t.regex(wrong, /^bad +configuration +zone \(.*\): expected/m);
  t.regex(wrong, /^bad +configuration +speed: /m);
  for (const line of [
    /^bad +agent +no agent runs on/m,
    /^bad +files +originCa: .*ENOENT/m,
    /^bad +DNS +no-such-host\.invalid cannot be resolved/m,
    /^ok +disk/m,
  ])
    t.regex(dead.stdout, line);
});
