import anyTest, { type TestFn } from 'ava';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CleanupStack } from '../../support/cleanup.ts';
import { MAIN } from '../../support/cli.ts';
import { DESCRIBE, leftovers, requireConversion } from '../../support/conversion.ts';
import { debianDisk, type DebianDisk } from '../../support/debian-disk.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { type Dockerd, startDockerd } from '../../support/dockerd.ts';
import { bootstrapOf, startAgent } from '../../support/layerswarm.ts';
import { run, runOk, startProgram } from '../../support/process.ts';
import { findTool } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';
import { removeStale } from '../../../src/convert/cleanup.ts';

const TOOLS = ['root', 'dockerd', 'docker', 'containerd', 'runc', 'mmdebstrap', 'setcap', 'setfacl', 'setfattr'];
const MINUTES = 60_000;

interface Context extends DebianDisk {
  stack: CleanupStack;
  engine: Dockerd;
  scratch: string;
  env: Record<string, string>;
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  t.timeout(10 * MINUTES);
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (TOOLS.some((tool) => tool !== 'root' && findTool(tool) === undefined) || process.getuid?.() !== 0) return;
  const scratch = tempDir(stack, 'scr');
  const engine = await startDockerd(stack);
  Object.assign(t.context, {
    ...(await debianDisk(stack)),
    engine,
    scratch,
    env: { DOCKER_HOST: `unix://${engine.socket}`, TMPDIR: scratch },
  });
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

async function inside({ engine }: Context, name: string, script: string): Promise<string[]> {
  return (await engine.dockerOk(['exec', name, 'sh', '-c', script])).stdout.trim().split('\n');
}

/** Capabilities, ACLs, attributes, hard links, modes, owners, times and names: all as on the disk. */
async function oddThings({ engine }: Context, name: string): Promise<string> {
  return (await engine.dockerOk(['exec', '--workdir', '/odd', name, 'sh', '-c', DESCRIBE])).stdout;
}

test.serial('a Debian disk comes up as a container with systemd, and stops cleanly', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS)) return;
  const { disk, odd, engine, env, scratch } = t.context;
  // An image of the user's own that is called like the disk.
  const own = await importEmpty(t.context, 'debian:latest');
  const booted = await run(process.execPath, [MAIN, '--json', 'boot', disk, '--name', 'converted', '--network', 'none'], {
    env,
    deadline: 5 * MINUTES,
  });
  t.is(booted.code, 0, booted.stderr);
  t.like(JSON.parse(booted.stdout), { name: 'converted', image: 'layerswarm/boot/debian:latest', state: 'running', failed: [] });
  t.is((await engine.dockerOk(['inspect', '--format', '{{.Id}}', 'debian:latest'])).stdout.trim(), own);
  t.deepEqual(await inside(t.context, 'converted', 'systemctl is-system-running'), ['running']);
  t.is(await oddThings(t.context, 'converted'), odd);
  for (const part of [
    'security.capability=0x',
    'system.posix_acl_access=0x',
    'system.posix_acl_default=0x',
    'user.note=0x',
    'f 4755 0 0 ',
    'd 1777 0 0 ',
    '4000000000 4000000001',
  ])
    t.true(odd.includes(part), part);
  t.deepEqual(
    await inside(
      t.context,
      'converted',
      'ls /boot; cat /etc/fstab; systemctl is-active ssh; cat /etc/ssh/ssh_host_ed25519_key | head -1; grep -c . /etc/machine-id; stat -c %s /var/lib/systemd/random-seed',
    ),
    ['# Mounts belong to the container runtime.', 'active', '-----BEGIN OPENSSH PRIVATE KEY-----', '1', '512'],
  );
  t.false(
    (await inside(t.context, 'converted', 'cat /etc/ssh/ssh_host_rsa_key /etc/machine-id')).some(
      (line) => line === 'secret' || line.startsWith('0123456789abcdef'),
    ),
  );
  for (const how of [[], ['--live']]) {
    const taken = await run(process.execPath, [MAIN, 'boot', disk, ...how, '--name', 'converted', '--network', 'none'], { env });
    t.is(taken.code, 2);
    t.regex(taken.stderr, /^layerswarm: there is a container converted already[^\n]*\n$/, 'before anything is converted');
  }
  await engine.dockerOk(['stop', '--time', '60', 'converted']);
  // SIGRTMIN+3 lets systemd end by itself; 137 would be SIGKILL.
  t.not((await engine.dockerOk(['inspect', '--format', '{{.State.ExitCode}}', 'converted'])).stdout.trim(), '137');
  await engine.dockerOk(['rm', 'converted']);
  await engine.dockerOk(['rmi', 'layerswarm/boot/debian:latest']);
  const foreign = await importEmpty(t.context, 'layerswarm/boot/debian:latest');
  const refused = await run(process.execPath, [MAIN, 'boot', disk, '--network', 'none'], { env });
  t.is(refused.code, 2, refused.stderr);
  t.regex(refused.stderr, /another image layerswarm\/boot\/debian:latest, which boot did not make/);
  t.is((await engine.dockerOk(['inspect', '--format', '{{.Id}}', 'layerswarm/boot/debian:latest'])).stdout.trim(), foreign);
  await engine.dockerOk(['rmi', 'layerswarm/boot/debian:latest', 'debian:latest']);
  const missing = await run(process.execPath, [MAIN, 'boot', '127.0.0.1:1/none:1', '--network', 'none'], { env });
  t.is(missing.code, 3, missing.stderr);
  t.deepEqual(leftovers(scratch), []);
});

/** An image with nothing in it, for its name. Returns its id. */
async function importEmpty({ engine, scratch }: Context, name: string): Promise<string> {
  const file = join(scratch, 'empty.tar');
  await runOk('tar', ['--create', `--file=${file}`, '--files-from=/dev/null']);
  const { stdout } = await engine.dockerOk(['import', '--message', name, file, name]);
  rmSync(file);
  return stdout.trim();
}

test.serial('a disk that is seeded goes through two nodes of a swarm, and boots from there', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS, 'docker-registry')) return;
  const { disk, odd, engine, env } = t.context;
  const origin = await startDockerRegistry(t);
  const first = await startAgent(t, { origin: origin.url });
  await first.cliOk(['seed', `disk:${disk}`, '--as', 'machines/debian:12'], { deadline: 5 * MINUTES });
  const second = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(first) });
  await second.waitForPeers(1);
  // The engine has no such image: the agent of this host brings it.
  const booted = await second.cli(['boot', 'machines/debian:12', '--name', 'swarm', '--network', 'none'], { env, deadline: 5 * MINUTES });
  t.is(booted.code, 0, booted.stderr);
  t.regex(booted.stderr, /machines\/debian:12: the agent brought it into the Docker Engine as /);
  t.regex(booted.stdout, /the system is running[^]*docker exec -it swarm/);
  t.deepEqual(await inside(t.context, 'swarm', 'systemctl is-system-running'), ['running']);
  t.is(await oddThings(t.context, 'swarm'), odd);
  const { traffic } = await second.status();
  t.true(traffic.fromPeersBytes > 10 * traffic.fromOriginBytes, JSON.stringify(traffic));

  // With a unit that cannot work, the system is up all the same.
  await inside(
    t.context,
    'swarm',
    'printf "[Service]\\nType=oneshot\\nExecStart=/bin/false\\n[Install]\\nWantedBy=multi-user.target\\n" > /etc/systemd/system/broken.service && systemctl enable broken.service',
  );
  await engine.dockerOk(['commit', 'swarm', 'team/broken:1']);
  await engine.dockerOk(['rm', '--force', 'swarm']);
  const degraded = await run(process.execPath, [MAIN, 'boot', 'team/broken:1', '--name', 'broken', '--network', 'none'], {
    env,
    deadline: 5 * MINUTES,
  });
  t.is(degraded.code, 0, degraded.stderr);
  t.regex(degraded.stdout, /the system is up, without broken\.service/);
  t.regex(degraded.stderr, /these units failed in the container: broken\.service; docker exec broken journalctl -u broken\.service/);
  for (const command of ['reboot', 'poweroff']) {
    t.like(await engine.docker(['exec', 'broken', command]), { stdout: '', stderr: '' }, command);
    t.is((await engine.dockerOk(['wait', 'broken'])).stdout.trim(), '0', command);
    await engine.dockerOk(['start', 'broken']);
    await waitFor(
      'the system to come up again',
      async () => (await engine.docker(['exec', 'broken', 'systemctl', 'is-system-running'])).stdout === 'degraded\n',
    );
  }
  await engine.dockerOk(['rm', '--force', 'broken']);
});

test.serial('a disk comes up live, without being converted, and nothing of it stays', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS)) return;
  const { disk, odd, engine, env, scratch } = t.context;
  for (const [backend, end] of [
    ['fuse', 'stop'],
    ['loop', 'SIGINT'],
    ['fuse', 'SIGKILL'],
  ] as const) {
    const live = startProgram(
      t,
      process.execPath,
      [MAIN, 'boot', disk, '--live', '--name', 'live', '--network', 'none', '--backend', backend],
      { env },
    );
    await live.waitForOutput(/the system is running/, 2 * MINUTES);
    t.is(await oddThings(t.context, 'live'), odd, backend);
    t.deepEqual(await inside(t.context, 'live', 'echo written > /etc/motd && cat /etc/motd'), ['written']);
    if (end === 'stop') await engine.dockerOk(['stop', '--time', '60', 'live']);
    else process.kill(live.pid, end);
    const { code, stderr } = await live.finished;
    if (end === 'SIGKILL') {
      await waitFor('the container to go with its disk', async () => (await engine.dockerOk(['ps', '--all', '--quiet'])).stdout === '');
      await waitFor('its image to go', async () => (await engine.dockerOk(['images', '--quiet', 'layerswarm-live'])).stdout === '');
      await removeStale(scratch);
    } else {
      t.is(code, 0, stderr);
    }
    t.deepEqual(leftovers(scratch), []);
  }
  t.is((await engine.dockerOk(['ps', '--all', '--quiet'])).stdout, '');
  t.is((await engine.dockerOk(['images', '--quiet', 'layerswarm-live'])).stdout, '');
});

test.serial('a live container that cannot start leaves no mount, image or container', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS)) return;
  const { disk, engine, env, scratch } = t.context;
  const failed = await run(process.execPath, [MAIN, 'boot', disk, '--live', '--name', 'live', '--network', 'container:none'], { env });
  t.is(failed.code, 1, failed.stderr);
  t.deepEqual(leftovers(scratch), []);
  t.is((await engine.dockerOk(['ps', '--all', '--quiet'])).stdout, '');
  t.is((await engine.dockerOk(['images', '--quiet', 'layerswarm-live'])).stdout, '');
});

test.serial('without the adaptation layer the image still runs commands', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS)) return;
  const { disk, engine, env } = t.context;
  const file = join(tempDir(t, 'img'), 'image.tar');
  await runOk(
    process.execPath,
    [MAIN, 'convert', disk, '--trust', '--no-adapt', '--compression', 'none', '--output', `oci-archive:${file}`, '--name', 'plain:1'],
    { env, deadline: 5 * MINUTES },
  );
  await engine.dockerOk(['load', '--input', file]);
  t.is(
    (await engine.dockerOk(['run', '--rm', '--network', 'none', 'plain:1', 'sh', '-c', '. /etc/os-release && echo $ID'])).stdout,
    'debian\n',
  );
});
