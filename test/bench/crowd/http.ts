import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';
import { cpuSecondsOf, startBusyClock } from '../cpu.ts';
import { downloads, startTogether } from './clients.ts';
import { type HostResult, type Stage, startOrigin, type SystemResult } from './stage.ts';

/** nginx on the origin's machine, and every client fetches from there. */
export async function runHttp(stage: Stage): Promise<SystemResult> {
  const { payload, originHost, cleanup } = stage;
  const folder = tempDir(cleanup, 'nginx');
  for (const { digest } of payload.blobs) {
    symlinkSync(
      join(payload.folder, 'data/docker/registry/v2/blobs/sha256', digest.hex.slice(0, 2), digest.hex, 'data'),
      join(folder, digest.hex),
    );
  }
  const log = join(folder, 'access.log');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `
daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events { worker_connections 1024; }
http { log_format bytes '$body_bytes_sent'; access_log ${log} bytes; sendfile on; client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2;
  fastcgi_temp_path ${folder}/t3; uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5; server { listen ${originHost.address}:80; root ${folder}; } }`,
  );
  const server = originHost.start(cleanup, 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')]);
  const base = `http://${originHost.address}`;
  await waitFor('nginx', async () => (await originHost.run('curl', ['-s', '-o', '/dev/null', `${base}/`])).code === 0);
  const before = cpuSecondsOf([server.pid]);
  const result = await fetchAll(
    stage,
    downloads(
      undefined,
      payload.blobs.map(({ digest }) => `${base}/${digest.hex}`),
    ),
  );
  const originCpuSeconds = cpuSecondsOf([server.pid]) - before;
  const sent = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map(Number)
    .filter((bytes) => bytes > 1000)
    .reduce((sum, bytes) => sum + bytes, 0);
  return { ...result, originCopies: sent / payload.bytes, originCpuSeconds };
}

/** A pull-through cache of docker-registry on a machine of its own, and every client fetches from that. */
export async function runMirror(stage: Stage): Promise<SystemResult> {
  const { crowd, payload, network, cleanup } = stage;
  const origin = await startOrigin(stage);
  const host = await network.addHost('mirror', { uplink: crowd.originRate, downlink: crowd.originRate });
  const mirror = await startDockerRegistry(cleanup, { host: host.address, port: 5000, netns: host.netns, proxyOf: origin.url });
  const base = `${mirror.url}/v2/${payload.repository}`;
  const result = await fetchAll(
    stage,
    downloads(
      `${base}/manifests/${payload.manifest}`,
      payload.blobs.map(({ digest }) => `${base}/blobs/${digest.toString()}`),
    ),
  );
  return { ...result, originCopies: origin.registry.blobBytes() / payload.bytes };
}

async function fetchAll(stage: Stage, command: readonly string[]): Promise<Omit<SystemResult, 'originCopies'>> {
  const busy = startBusyClock();
  const { runs } = await startTogether(
    stage,
    stage.hosts.map((host) => ({ host, command })),
  );
  const hosts = await Promise.all(
    runs.map(async (run): Promise<HostResult> => {
      const { startedAt, ended } = await run;
      const seconds = ((await ended) - startedAt) / 1000;
      return { proven: undefined, client: seconds };
    }),
  );
  return { hosts, busy: busy() };
}
