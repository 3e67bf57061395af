import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { flipBit } from '../support/flip-bit.ts';
import { lastingPort } from '../support/lasting-port.ts';
import { bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { run, runOk, startProgram } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { pullEverything } from '../support/registry-client.ts';
import { familiesWithoutSamples } from '../support/prometheus-text.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const MONITORING = fileURLToPath(new URL('../../config/monitoring', import.meta.url));

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

interface Answer<T> {
  readonly status: string;
  readonly data: T;
}

/** A Prometheus that scrapes the targets each second, with the rules of `config/monitoring` but for how long a trouble must last, and what else `sooner` changes. */
async function startPrometheus(
  t: ExecutionContext,
  targets: readonly string[],
  sooner: (rules: string) => string = (rules) => rules,
): Promise<{ query: (expr: string) => Promise<number>; firing: () => Promise<string[]> }> {
  const folder = tempDir(t, 'prom');
  const rules = readFileSync(join(MONITORING, 'alerts.yaml'), 'utf8').replace(/for: \d+m/g, 'for: 0s');
  writeFileSync(join(folder, 'alerts.yaml'), sooner(rules));
  writeFileSync(
    join(folder, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: ['alerts.yaml'],
      scrape_configs: [{ job_name: 'layerswarm', static_configs: [{ targets }] }],
    }),
  );
  const port = await lastingPort();
  const url = `http://127.0.0.1:${port}`;
  const program = startProgram(t, 'prometheus', [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  await program.waitFor('Prometheus', async () => (await fetch(`${url}/-/ready`)).ok);
  const api = async <T>(path: string): Promise<T> => ((await (await fetch(`${url}/api/v1/${path}`)).json()) as Answer<T>).data;
  return {
    query: async (expr) => (await api<{ result: unknown[] }>(`query?query=${encodeURIComponent(expr)}`)).result.length,
    firing: async () =>
      (await api<{ alerts: { state: string; labels: { alertname: string } }[] }>('alerts')).alerts
        .filter(({ state }) => state === 'firing')
        .map(({ labels }) => labels.alertname),
  };
}

test('the alert rules are valid, and each fires for its cause', async (t) => {
  if (!requireTool(t, 'promtool')) return;
  for (const args of [
    ['check', 'rules', join(MONITORING, 'alerts.yaml')],
    ['test', 'rules', fileURLToPath(new URL('monitoring/alerts.test.yaml', import.meta.url))],
  ]) {
    const { code, stdout, stderr } = await run('promtool', args);
    t.is(code, 0, stdout + stderr);
  }
});

test('a real Prometheus scrapes a swarm: every panel of the dashboard has data, and alerts fire for what really happens', async (t) => {
  if (!requireTool(t, 'prometheus', 'promtool', 'docker-registry')) return;
  t.timeout(300_000);
  const registry = await startDockerRegistry(t);
  await pushImage(registry, 'team/app', 'v1', [randomBytes(2_000_000)]);
  const swarmKey = await makeSwarmKey(t);
  const first = await startAgent(t, { origin: registry.url, swarmKey });
  const second = await startAgent(t, { origin: registry.url, swarmKey, bootstrap: bootstrapOf(first) });
  await second.waitForPeers(1);
  const metrics = await (await fetch(`${first.info.status}/metrics`)).text();
  const checked = await run('promtool', ['check', 'metrics'], { input: metrics });
  t.is(checked.code, 0, checked.stdout + checked.stderr);
  t.deepEqual(familiesWithoutSamples({ text: metrics }), []);

  const prometheus = await startPrometheus(
    t,
    [first, second].map(({ info }) => new URL(info.status).host),
  );
  await waitFor('a scrape of both', async () => (await prometheus.query('layerswarm_ready == 1')) === 2);
  await first.cliOk(['pull', 'team/app:v1']);
  await pullEverything(first.registry, 'team/app', 'v1');
  await second.cliOk(['pull', 'team/app:v1']);
  const { panels } = JSON.parse(readFileSync(join(MONITORING, 'grafana-dashboard.json'), 'utf8')) as Dashboard;
  t.true(panels.length > 15);
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      const real = expr.replaceAll('$__rate_interval', '30s').replaceAll('$instance', '.*').replaceAll('$job', '.*');
      await waitFor(`data for ${title}: ${real}`, async () => (await prometheus.query(real)) > 0, { deadline: 30_000, interval: 500 });
    }
  }
  t.false((await prometheus.firing()).includes('LayerswarmOriginDown'));

  const stranger = await startAgent(t, { swarmKey: await makeSwarmKey(t), bootstrap: bootstrapOf(first) });
  await stranger.waitForStatus('a failed handshake', ({ membership }) => membership.strangers.length > 0);
  await registry.stop();
  t.is((await first.cli(['pull', 'team/app:none'])).code, 1);
  await second.stop();
  const expected = ['LayerswarmOriginDown', 'LayerswarmNoPeers', 'LayerswarmOtherKey', 'LayerswarmPullsFail'];
  await waitFor(
    `${expected.join(', ')} to fire`,
    async () => {
      const firing = await prometheus.firing();
      return expected.every((name) => firing.includes(name));
    },
    { interval: 500 },
  );
  t.pass();
});

test('the other alerts fire for causes that are made: a node that never had an origin, a full disk, a lying disk, slow pulls, a swarm that does not help', async (t) => {
  if (!requireTool(t, 'root', 'prometheus', 'docker-registry')) return;
  t.timeout(300_000);
  const registry = await startDockerRegistry(t);
  const { layers } = await pushImage(registry, 'team/app', 'v1', [randomBytes(48_000_000)]);
  const swarmKey = await makeSwarmKey(t);
  const disk = join(tempDir(t, 'disk'), 'd');
  mkdirSync(disk);
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=500m', 'none', disk]);
  t.teardown(async () => {
    await runOk('umount', ['-l', disk]);
  });
  const alone = `http://127.0.0.1:${await lastingPort()}`;
  const first = await startAgent(t, { origin: registry.url, swarmKey, args: ['--limits-download', '12MB/s'] });
  const [second, small, lost] = await Promise.all([
    startAgent(t, { origin: registry.url, swarmKey, bootstrap: bootstrapOf(first) }),
    startAgent(t, { origin: registry.url, swarmKey, data: join(disk, 'data') }),
    startAgent(t, { origin: alone }),
  ]);
  const prometheus = await startPrometheus(
    t,
    [first, second, small, lost].map(({ info }) => new URL(info.status).host),
    (rules) => rules.replaceAll('[15m]', '[30s]').replace('[30s]))) > 100', '[30s]))) > 1'),
  );
  await waitFor('a scrape of all', async () => (await prometheus.query('layerswarm_ready')) === 4);
  const fired = new Set<string>();
  const fires = async (name: string): Promise<void> => {
    await waitFor(
      `${name} to fire`,
      async () => {
        for (const alert of await prometheus.firing()) fired.add(alert);
        return fired.has(name);
      },
      { interval: 500 },
    );
  };
  await fires('LayerswarmNotReady');
  await fires('LayerswarmDiskLow');
  t.false(fired.has('LayerswarmPeerShareLow'));
  t.false(fired.has('LayerswarmPullsSlow'));
  await first.cliOk(['pull', 'team/app:v1']);
  await fires('LayerswarmPeerShareLow');
  await fires('LayerswarmPullsSlow');
  t.false(fired.has('LayerswarmPiecesRejected'));
  flipBit(first.blobPath(layers[0]!.digest.toString()), 20_000_001, { silently: true });
  await second.cliOk(['pull', 'team/app:v1']);
  await fires('LayerswarmPiecesRejected');
  await second.cliOk(['verify']);
});
