import { randomBytes } from 'node:crypto';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificateAuthority } from '../support/certificate.ts';
import { type Cleanup, CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { run, runOk, startProgram } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { cpuSecondsOf } from './cpu.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `What peers hold, pulled over loopback: MB/s, and CPU-seconds per GiB on each side.
  node test/bench/warm.ts [--mib 1024] [--rounds 3]`;

interface Row {
  readonly what: string;
  readonly seconds: number;
  readonly receiverCpu: number;
  readonly senderCpu: number | undefined;
}

const OPTIONS = { options: { mib: { type: 'string', default: '1024' }, rounds: { type: 'string', default: '3' } } } as const;
const { size, rounds } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  size: readNumber('--mib', values.mib, 1) * 1024 * 1024,
  rounds: readNumber('--rounds', values.rounds, 1),
}));
const cleanup = new CleanupStack();
try {
  const origin = await startDockerRegistry(cleanup);
  const {
    layers: [layer],
  } = await pushImage(origin, 'bench/warm', 'v1', [randomBytes(size)]);
  const blob = {
    file: join(origin.folder, 'data/docker/registry/v2/blobs/sha256', layer!.digest.hex.slice(0, 2), layer!.digest.hex, 'data'),
    hex: layer!.digest.hex,
  };
  const one = await startHolders(origin.url, 1);
  const three = await startHolders(origin.url, 3);
  process.stdout.write(
    `${table(
      await best([
        () => readAndHash(blob.file),
        () => curlOverTls(blob.file),
        () => pull('layerswarm pull, one peer', one, origin.url, (agent) => agent.cliOk(['pull', 'bench/warm:v1'])),
        () => pull('layerswarm pull, three peers', three, origin.url, (agent) => agent.cliOk(['pull', 'bench/warm:v1'])),
        () =>
          pull('three peers, a client takes it meanwhile', three, origin.url, async (agent) => {
            for (const path of ['manifests/v1', `blobs/sha256:${blob.hex}`])
              await runOk('curl', ['-sS', '--fail', '-o', '/dev/null', `${agent.registry}/v2/bench/warm/${path}`]);
          }),
      ]),
    )}\n`,
  );
} finally {
  await cleanup.undo();
}

interface Holders {
  readonly swarmKey: string;
  readonly agents: readonly Agent[];
}

/** A swarm in which everybody has the image. */
async function startHolders(origin: string, count: number): Promise<Holders> {
  const swarmKey = await makeSwarmKey(cleanup);
  const agents: Agent[] = [];
  for (let i = 0; i < count; i++) {
    const agent = await startAgent(cleanup, { origin, swarmKey, bootstrap: bootstrapOf(...agents.slice(0, 1)) });
    await agent.cliOk(['pull', 'bench/warm:v1']);
    agents.push(agent);
  }
  return { swarmKey, agents };
}

async function pull(what: string, { swarmKey, agents }: Holders, origin: string, fetch: (agent: Agent) => Promise<unknown>): Promise<Row> {
  const own = new CleanupStack();
  try {
    const agent = await startAgent(own, { origin, swarmKey, bootstrap: bootstrapOf(...agents) });
    await agent.waitForPeers(agents.length);
    const senders = agents.map(({ info }) => info.pid);
    const before = { receiver: cpuSecondsOf([agent.info.pid]), senders: cpuSecondsOf(senders) };
    const begin = performance.now();
    await fetch(agent);
    const seconds = (performance.now() - begin) / 1000;
    return {
      what,
      seconds,
      receiverCpu: cpuSecondsOf([agent.info.pid]) - before.receiver,
      senderCpu: cpuSecondsOf(senders) - before.senders,
    };
  } finally {
    await own.undo();
  }
}

/** Each with the least CPU of its rounds: what else runs on the machine only adds. */
async function best(measures: readonly (() => Promise<Row>)[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const measure of measures) {
    const taken: Row[] = [];
    for (let round = 0; round < rounds; round++) taken.push(await measure());
    rows.push(taken.sort((a, b) => a.receiverCpu - b.receiverCpu)[0]!);
    process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
  }
  return rows;
}

/** OpenSSL's SHA-256 in Node, a buffer of 256 KiB: what each receiver has to do at least. */
async function readAndHash(file: string): Promise<Row> {
  const script = `
    const fs = require('node:fs'), hash = require('node:crypto').createHash('sha256'), buffer = Buffer.allocUnsafeSlow(262144), fd = fs.openSync(process.argv[1]);
    const cpu = process.cpuUsage(), begin = performance.now();
    for (let length; (length = fs.readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, length));
    hash.digest();
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ seconds: (performance.now() - begin) / 1000, receiverCpu: (user + system) / 1e6 }));`;
  const { stdout } = await runOk(process.execPath, ['-e', script, file]);
  return { what: 'read and hash alone', ...(JSON.parse(stdout) as Pick<Row, 'seconds' | 'receiverCpu'>), senderCpu: undefined };
}

async function curlOverTls(file: string): Promise<Row> {
  const own = new CleanupStack();
  try {
    const { pid, url, certificate } = await startNginx(own, file);
    const before = cpuSecondsOf([pid]);
    const begin = performance.now();
    const { stderr } = await runOk(
      'bash',
      ['-c', 'set -o pipefail; TIMEFORMAT="%U %S"; time curl -sS --fail --cacert "$0" "$1/blob" | sha256sum >/dev/null', certificate, url],
      { env: { LC_ALL: 'C' } },
    );
    const seconds = (performance.now() - begin) / 1000;
    const [user, system] = stderr.trim().split(/\s+/).map(Number) as [number, number];
    return {
      what: 'curl from nginx over TLS into sha256sum',
      seconds,
      receiverCpu: user + system,
      senderCpu: cpuSecondsOf([pid]) - before,
    };
  } finally {
    await own.undo();
  }
}

async function startNginx(
  own: Cleanup,
  file: string,
): Promise<{ readonly pid: number; readonly url: string; readonly certificate: string }> {
  const folder = tempDir(own, 'nginx');
  const authority = await makeCertificateAuthority(own);
  const { certFile, keyFile } = await authority.issue('nginx');
  symlinkSync(file, join(folder, 'blob'));
  const url = `https://127.0.0.1:${20_000 + (process.pid % 10_000)}`;
  writeFileSync(
    join(folder, 'nginx.conf'),
    `
daemon off; master_process off; pid ${folder}/pid; error_log stderr; user root;
events { worker_connections 64; }
http { access_log off; sendfile on; client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3; uwsgi_temp_path ${folder}/t4;
  scgi_temp_path ${folder}/t5; server { listen ${new URL(url).host} ssl; ssl_certificate ${certFile}; ssl_certificate_key ${keyFile}; ssl_protocols TLSv1.3; root ${folder}; } }`,
  );
  const { pid } = startProgram(own, 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')]);
  await waitFor('nginx', async () => (await run('curl', ['-s', '-o', '/dev/null', '--cacert', authority.certFile, url])).code === 0);
  return { pid, url, certificate: authority.certFile };
}

function table(rows: readonly Row[]): string {
  const perGiB = (1 << 30) / size;
  const floor = rows[0]!.receiverCpu;
  return [
    '| | MB/s | receiver CPU-s/GiB | × read and hash | senders CPU-s/GiB |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ what, seconds, receiverCpu, senderCpu }) =>
        `| ${what} | ${(size / 1e6 / seconds).toFixed(0)} | ${(receiverCpu * perGiB).toFixed(2)} | ${(receiverCpu / floor).toFixed(2)} | ${senderCpu === undefined ? '–' : (senderCpu * perGiB).toFixed(2)} |`,
    ),
  ].join('\n');
}
