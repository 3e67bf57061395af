import test, { type ExecutionContext } from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, layerswarm, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { pullEverything } from '../support/registry-client.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

interface Operator {
  readonly charterKey: string;
  /** Signs what is given, and says where that is. */
  readonly sign: (serial: number, content: string) => Promise<string>;
}

async function operator(t: ExecutionContext, swarm: string): Promise<Operator> {
  const folder = tempDir(t, 'op');
  const key = join(folder, 'operator.key');
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await layerswarm(args);
    t.is(code, 0, stderr);
    return stdout;
  };
  return {
    charterKey: (await ok('charter', 'keygen', key, '--swarm', swarm)).trim(),
    sign: async (serial, content) => {
      const [yaml, signed] = [join(folder, 'charter.yaml'), join(folder, `charter-${serial}`)];
      writeFileSync(yaml, content);
      await ok('charter', 'sign', yaml, '--key', key, '--output', signed, '--serial', String(serial));
      return signed;
    },
  };
}

const seen = async (
  agent: Agent,
): Promise<{ serial: number | null; behind: readonly { peerId: string; serial: number | null }[] } | null> =>
  (
    await agent.cliJson<{ charter: { serial: number | null; behind: readonly { peerId: string; serial: number | null }[] } | null }>([
      'status',
    ])
  ).charter;

test('an operator changes the origin once, and every node has it in seconds, whatever any member says', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const [before, after] = [await startDockerRegistry(t), await startDockerRegistry(t)];
  await pushImage(before, 'team/old', 'v1', [Buffer.alloc(1000, 1)]);
  await pushImage(after, 'team/new', 'v1', [Buffer.alloc(1000, 2)]);
  const { charterKey, sign } = await operator(t, 'prod');
  const swarmKey = await makeSwarmKey(t);
  const args = ['--charter-key', charterKey];
  const a = await startAgent(t, { origin: before.url, swarmKey, args });
  const b = await startAgent(t, { origin: before.url, swarmKey, args, bootstrap: bootstrapOf(a) });
  const plain = await startAgent(t, { origin: before.url, swarmKey, bootstrap: bootstrapOf(a, b) });
  await Promise.all([a, b, plain].map((agent) => agent.waitForPeers(2)));
  await b.cliOk(['pull', 'team/old:v1']);

  const first = await sign(1, `origin: ${after.url}\nmirrors: ["old.example=${before.url}"]\nexclude: [secret/*]\n`);
  await a.cliOk(['charter', 'publish', first]);
  await b.waitForStatus('the new origin', ({ origin }) => origin.url === after.url && origin.state === 'ok');
  t.is((await b.cliOk(['charter', 'show'])).stdout.split('\n').at(1), `origin: ${after.url}`);
  await pullEverything(b.registry, 'team/new', 'v1');
  await b.cliOk(['pull', 'old.example/team/old:v1']);
  t.deepEqual(
    (await seen(a))!.behind.map(({ peerId, serial }) => [peerId, serial]),
    [[plain.info.peerId, null]],
  );
  t.regex((await a.cliOk(['status'])).stdout, /^charter {3}1 of prod, 1 behind\n {2}behind .*: knows of no operator$/m);
  t.is((await plain.status()).origin.url, before.url, 'a node that knows of no operator is as it was');

  // away while it changes, and alone when it is back
  await b.stop();
  const second = await sign(2, `origin: ${before.url}\n`);
  await a.cliOk(['charter', 'publish', second]);
  const again = await startAgent(t, { origin: before.url, swarmKey, args, data: b.data, bootstrap: bootstrapOf(a) });
  await waitFor('the restarted node to follow', async () => (await seen(again))?.serial === 2);
  await again.waitForStatus('the origin of before', ({ origin }) => origin.url === before.url);
  await again.stop();
  await a.stop();
  const alone = await startAgent(t, { swarmKey, args, data: b.data });
  t.is((await seen(alone))?.serial, 2);
  t.is((await alone.status()).origin.url, before.url);

  const refusals: readonly [file: string, code: number, line: RegExp][] = [
    [first, 1, /expected a charter newer than 2/],
    [await (await operator(t, 'prod')).sign(9, ''), 5, /not signed by the operator of prod/],
    [await (await operator(t, 'test')).sign(9, ''), 5, /expected a charter of the swarm prod, received one of test/],
    [swarmKey, 5, /expected a signed charter/],
  ];
  for (const [file, code, line] of refusals) {
    const { code: ended, stderr } = await alone.cli(['charter', 'publish', file]);
    t.is(ended, code, stderr);
    t.regex(stderr, line);
    t.is(stderr.trim().split('\n').length, 1, stderr);
  }
  t.is((await seen(alone))?.serial, 2);
});
