import test from 'ava';
import { Metrics } from '../../../src/status/metrics.ts';
import { familiesWithoutSamples } from '../../support/prometheus-text.ts';
import { run } from '../../support/process.ts';
import { requireTool } from '../../support/require-tool.ts';
import { receiptSample, statusSample } from '../../support/status-sample.ts';

async function scrape(): Promise<string> {
  const metrics = new Metrics(() => statusSample, { clients: ['containerd', 'cli'], refusals: ['tls-hello'] });
  metrics.pulled(receiptSample);
  metrics.pulled({ ...receiptSample, client: 'cli', result: 'failed' });
  metrics.staleTag();
  metrics.answered('manifest', 'GET', 200, 0.01);
  metrics.cut('no-progress');
  return (await metrics.scrape()).text;
}

const values: readonly [series: string, value: number][] = [
  ['layerswarm_peers', 1],
  ['layerswarm_banned_peers', 1],
  ['layerswarm_store_blobs', 2],
  ['layerswarm_store_bytes', 3000],
  ['layerswarm_store_limit_bytes', 10_000],
  ['layerswarm_store_partial_blobs', 1],
  ['layerswarm_pinned_images', 1],
  ['layerswarm_images', 0],
  ['layerswarm_transfer_bytes_per_second', 100],
  ['layerswarm_transfers{state="fetching"}', 1],
  ['layerswarm_ready', 1],
  ['layerswarm_store_free_bytes', 9000],
  ['layerswarm_health{part="mirror quay.io",level="degraded"}', 1],
  ['layerswarm_health{part="origin",level="bad"}', 0],
  ['layerswarm_swarm_key_info{key="0123456789abcdef"}', 1],
  ['layerswarm_origin_up{registry="registry.example"}', 1],
  ['layerswarm_origin_up{registry="quay.io"}', 0],
  ['layerswarm_origin_last_success_seconds{registry="quay.io"}', 61],
  ['layerswarm_origin_requests_total{registry="registry.example",code="timeout"}', 1],
  ['layerswarm_origin_requests_total{registry="quay.io",code="200"}', 0],
  ['layerswarm_handshake_failures_total{reason="other_key"}', 3],
  ['layerswarm_origin_state{state="ok"}', 1],
  ['layerswarm_origin_state{state="unreachable"}', 0],
  ['layerswarm_origin_received_bytes_total', 1000],
  ['layerswarm_peers_received_bytes_total', 2000],
  ['layerswarm_peers_sent_bytes_total', 500],
  ['layerswarm_clients_sent_bytes_total', 3000],
  ['layerswarm_pulls_total{client="containerd",result="done"}', 1],
  ['layerswarm_pulls_total{client="cli",result="failed"}', 1],
  ['layerswarm_pulls_total{client="cli",result="done"}', 0],
  ['layerswarm_pull_duration_seconds_count{client="containerd"}', 1],
  ['layerswarm_pull_duration_seconds_count{client="cli"}', 0],
  ['layerswarm_pull_stalls_total', 2],
  ['layerswarm_saved_bytes_total', 2500],
  ['layerswarm_store_evicted_blobs_total', 6],
  ['layerswarm_pieces_rejected_total', 4],
  ['layerswarm_pieces_verified_total', 70],
  ['layerswarm_bans_total{reason="forged piece"}', 1],
  ['layerswarm_slow_peers', 1],
  ['layerswarm_leases', 3],
  ['layerswarm_reads', 2],
  ['layerswarm_uploads{state="waiting"}', 1],
  ['layerswarm_replication_queue{state="failed"}', 1],
  ['layerswarm_registry_blobs_total{source="origin"}', 0],
  ['layerswarm_peer_faults_total{kind="no_hello"}', 2],
  ['layerswarm_registry_request_duration_seconds_count{route="manifest",method="GET",code="200"}', 1],
  ['layerswarm_registry_refused_connections_total{kind="tls-hello"}', 0],
  ['layerswarm_stale_tags_total', 1],
  ['layerswarm_registry_requests_total{route="manifest",method="GET",status="2xx"}', 1],
  ['layerswarm_registry_cut_answers_total{reason="no-progress"}', 1],
];
test('every metric is there with its value', async (t) => {
  const lines = (await scrape()).split('\n');
  for (const [series, value] of values) t.true(lines.includes(`${series} ${value}`), series);
});

test('every name begins with layerswarm_, or is one that all programs or all of Node have, and no label names a peer, a digest or a repository', async (t) => {
  for (const line of (await scrape()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    t.regex(line, /^(layerswarm|process|nodejs)_[a-z0-9_]+(\{[^}]*\})? /);
    t.notRegex(line, /12D3KooW|sha256:|team\/app/);
  }
});

test('a counter does not grow by being read', async (t) => {
  const metrics = new Metrics(() => statusSample, { clients: [], refusals: [] });
  await metrics.scrape();
  t.regex((await metrics.scrape()).text, /^layerswarm_peers_received_bytes_total 2000$/m);
});

test('every family has a sample before anything happened', async (t) => {
  t.deepEqual(familiesWithoutSamples(await new Metrics(() => statusSample, { clients: ['cli'], refusals: ['gone'] }).scrape()), []);
});

test('promtool finds nothing wrong with them', async (t) => {
  if (!requireTool(t, 'promtool')) return;
  const result = await run('promtool', ['check', 'metrics'], { input: await scrape() });
  t.is(result.code, 0, result.stdout + result.stderr);
});
