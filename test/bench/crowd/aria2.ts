import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../../support/netns.ts';
import { fileDigest } from '../../support/oci-layout.ts';
import { runOk } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';
import { cpuSecondsOf, startBusyClock } from '../cpu.ts';
import { startMeter } from '../threads.ts';
import { killAt, startTogether } from './clients.ts';
import type { HostResult, Stage, SystemResult } from './stage.ts';

const TRACKER_PORT = 6969;
const RPC_PORT = 6800;

/** A BitTorrent swarm: opentracker and the first seed on the origin's machine, aria2 on every host. One file only. */
export async function runAria2(stage: Stage): Promise<SystemResult> {
  const { crowd, payload, originHost, hosts, cleanup } = stage;
  const folder = tempDir(cleanup, 'aria2', stage.stores);
  const { digest } = [...payload.blobs].sort((a, b) => b.size - a.size)[0]!;
  const { hex } = digest;
  const source = join(payload.folder, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  const torrent = join(folder, 'data.torrent');
  await runOk('mktorrent', ['-l', '18', '-a', `http://${originHost.address}:${TRACKER_PORT}/announce`, '-o', torrent, source]);
  const hash = /Info Hash: ([0-9a-f]{40})/.exec((await runOk('aria2c', ['--show-files', torrent])).stdout)?.[1];
  if (hash === undefined) throw new Error('aria2c does not tell the info hash');
  // The tracker gives up root, and makes this folder its root before it reads the list.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'whitelist'), `${hash}\n`);
  originHost.start(cleanup, 'opentracker', [
    '-i',
    originHost.address,
    '-p',
    String(TRACKER_PORT),
    '-P',
    String(TRACKER_PORT),
    '-w',
    'whitelist',
    '-d',
    folder,
    '-u',
    'nobody',
  ]);
  const seeder = originHost.start(cleanup, 'aria2c', [
    ...OPTIONS,
    '--check-integrity',
    '--seed-ratio=0',
    '--enable-rpc',
    `--rpc-listen-port=${RPC_PORT}`,
    '-d',
    join(source, '..'),
    torrent,
  ]);
  await waitFor('the seed to be known to the tracker', () => isSeeded(originHost, hash));

  const command = (host: Host): string[] => {
    const own = join(folder, host.name);
    mkdirSync(own);
    const done = join(own, 'done.sh');
    writeFileSync(done, `#!/bin/sh\ntouch ${join(own, 'done')}\n`);
    chmodSync(done, 0o755);
    return ['aria2c', ...OPTIONS, '--seed-ratio=0', `--on-bt-download-complete=${done}`, '-d', own, torrent];
  };
  const busy = startBusyClock();
  const { runs, begin } = await startTogether(
    stage,
    hosts.map((host) => ({ host, command: command(host) })),
  );
  const originCpuBefore = cpuSecondsOf([seeder.pid]);
  const meter = startMeter(await Promise.all(runs.map(async (starting) => (await starting).program.pid)));
  const result = await Promise.all(
    runs.map(async (starting, i): Promise<HostResult> => {
      const { program, startedAt } = await starting;
      const { dieAt } = crowd.hosts[i]!;
      if (dieAt !== undefined) {
        killAt(stage, dieAt, begin, () => {
          program.kill('SIGKILL');
        });
        return { proven: undefined, client: undefined };
      }
      const done = join(folder, hosts[i]!.name, 'done');
      await program.waitFor('aria2c to be done', () => existsSync(done), 1_200_000);
      const seconds = (statSync(done).mtimeMs - startedAt) / 1000;
      return { proven: seconds, client: seconds };
    }),
  );
  const used = busy();
  const cost = meter();
  const originCpuSeconds = cpuSecondsOf([seeder.pid]) - originCpuBefore;
  for (const [i, { client }] of result.entries()) {
    if (client !== undefined && (await fileDigest(join(folder, hosts[i]!.name, 'data'))) !== digest.toString())
      throw new Error('aria2 has wrong bytes');
  }
  return { hosts: result, busy: used, originCopies: (await uploadedBy(originHost)) / payload.bytes, cost, originCpuSeconds };
}

const OPTIONS = [
  '--no-conf',
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--file-allocation=none',
  '--bt-max-peers=0',
  '--allow-overwrite=true',
  '--summary-interval=0',
  '--console-log-level=error',
  '--disable-ipv6=true',
];

/** Payload bytes that the one torrent of the aria2 on this host has sent so far. */
async function uploadedBy(host: Host): Promise<number> {
  const request = JSON.stringify({ jsonrpc: '2.0', id: '1', method: 'aria2.tellActive', params: [['uploadLength']] });
  const { stdout } = await host.runOk('curl', ['-sS', '--fail', '-d', request, `http://127.0.0.1:${RPC_PORT}/jsonrpc`]);
  const { result } = JSON.parse(stdout) as { result: { uploadLength: string }[] };
  return result.reduce((sum, { uploadLength }) => sum + Number(uploadLength), 0);
}

async function isSeeded(host: Host, hash: string): Promise<boolean> {
  const escaped = hash.replaceAll(/../g, '%$&');
  return (await host.run('curl', ['-s', `http://${host.address}:${TRACKER_PORT}/scrape?info_hash=${escaped}`])).stdout.includes(
    'completei1e',
  );
}
