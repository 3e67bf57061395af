import test from 'ava';
import { randomBytes } from 'node:crypto';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { metric, observe } from '../support/observe.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { waitFor } from '../support/wait-for.ts';

interface Receipt {
  readonly id: string;
  readonly client: string;
  readonly result: string;
  readonly reference: string;
  readonly verdict: string;
  readonly error: string | null;
  readonly bytes: number;
  readonly peerNames: Readonly<Record<string, string>>;
  readonly blobs: readonly { readonly bytes: number; readonly strip?: readonly (readonly [source: number | string, parts: number])[] }[];
}

test('every pull leaves a receipt, a line and a count, whoever asked and however it ended, and also after a restart', async (t) => {
  if (!requireTool(t, 'docker-registry', 'skopeo')) return;
  const registry = await startDockerRegistry(t);
  await pushImage(registry, 'team/app', 'v1', [randomBytes(3_000_000)]);
  const first = await startAgent(t, { origin: registry.url, args: ['--name', 'node-a', '--log-level', 'debug'] });
  const agent = await startAgent(t, {
    origin: registry.url,
    bootstrap: bootstrapOf(first),
    args: ['--name', 'node-b', '--log-level', 'debug'],
  });
  await agent.waitForPeers(1);
  await first.cliOk(['pull', 'team/app:v1']);
  await agent.cliOk(['pull', 'team/app:v1']);

  const manifest = await fetch(`${agent.registry}/v2/team/app/manifests/v1`, { headers: { 'user-agent': 'containerd/1.7.0' } });
  const id = manifest.headers.get('layerswarm-pull');
  const { layers } = (await manifest.json()) as { layers: { digest: string }[] };
  const blob = await fetch(`${agent.registry}/v2/team/app/blobs/${layers[0]!.digest}`, { headers: { 'user-agent': 'containerd/1.7.0' } });
  await blob.arrayBuffer();
  t.is(blob.headers.get('layerswarm-pull'), id);
  await registry.stop();
  t.is((await agent.cli(['pull', 'team/app:none'])).code, 1);

  const receipts = async (): Promise<Receipt[]> =>
    (JSON.parse((await observe(agent, '/api/v1/receipts')).body) as { receipts: Receipt[] }).receipts;
  const found = await waitFor('three receipts', async () => {
    const all = await receipts();
    return all.length === 3 && all;
  });
  const of = (client: string, result: string): Receipt => found.find((receipt) => receipt.client === client && receipt.result === result)!;
  t.is(of('containerd', 'done').id, id!);
  t.is(of('containerd', 'done').verdict, 'everything was here already');
  t.regex(of('cli', 'done').verdict, /^node-a gave nearly all of it/);
  t.deepEqual(Object.values(of('cli', 'done').peerNames), ['node-a']);
  t.regex(of('cli', 'failed').verdict, /^it failed: .*connection refused|is down/);
  t.regex(agent.program.stderr, new RegExp(`INFO +pull: pulled \\S+/team/app:v1 pull=${id!} client=containerd `));
  // each decision of a transfer is a line, with the pull's id
  const { id: pulled } = of('cli', 'done');
  t.regex(agent.program.stderr, new RegExp(`DEBUG +swarm: fetching a blob pull=${pulled} blob=sha256:\\S+ bytes=3000000 `));
  t.regex(agent.program.stderr, new RegExp(`DEBUG +swarm: found a member pull=${pulled} .*holds=complete .*node=node-a`));
  t.regex(agent.program.stderr, new RegExp(`DEBUG +swarm: a blob is proven pull=${pulled} .*fromPeers=3000000`));
  // and so it is on the nodes that took part
  await waitFor('the other side', () => first.program.stderr.includes('a member has its blob'));
  t.regex(
    first.program.stderr,
    new RegExp(`DEBUG +swarm: a member fetches a blob pull=${pulled} blob=sha256:\\S+ here=complete node=node-b`),
  );
  t.regex(first.program.stderr, new RegExp(`DEBUG +swarm: a member has its blob pull=${pulled} blob=sha256:\\S+ sent=3000000 node=node-b`));
  t.regex(agent.program.stderr, /WARN +pull: the pull of \S+\/team\/app:none failed reason=/);
  t.is(await metric(agent, 'layerswarm_pulls_total{client="containerd",result="done"}'), 1);
  t.is(await metric(agent, 'layerswarm_pulls_total{client="cli",result="failed"}'), 1);
  t.is(await metric(agent, 'layerswarm_pulls_total{client="podman",result="done"}'), 0);
  // where in the blob what came from is known after the pull, too
  const strips = of('cli', 'done').blobs.map(({ strip }) => strip);
  t.deepEqual(strips, [[[0, 48]], [[0, 48]]]);
  t.regex(
    (await agent.cliOk(['why', of('cli', 'done').id])).stdout,
    /which part came from whom:\nsha256:\w{12} {2}\[1{48}\]\n[^]*1 node-a$/m,
  );
  t.regex((await agent.cliOk(['why', id!])).stdout, /^everything was here already\npull .* by containerd/);

  await agent.stop();
  const again = await startAgent(t, { data: agent.data, origin: registry.url });
  t.deepEqual(JSON.parse((await observe(again, '/api/v1/receipts')).body), { receipts: found });
});
