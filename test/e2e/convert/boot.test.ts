import anyTest, { type TestFn } from 'ava';
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

const TOOLS = ['root', 'dockerd', 'docker', 'containerd', 'runc', 'debootstrap', 'setcap', 'setfacl', 'setfattr'];
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
  Object.assign(t.context, { ...await debianDisk(stack), engine, scratch, env: { DOCKER_HOST: `unix://${engine.socket}`, TMPDIR: scratch } });
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
  const booted = await run(process.execPath, [MAIN, '--json', 'boot', disk, '--name', 'converted', '--network', 'none'], { env, deadline: 5 * MINUTES });
  t.is(booted.code, 0, booted.stderr);
  t.like(JSON.parse(booted.stdout), { name: 'converted', image: 'debian:latest', state: 'running', failed: [] });
  t.deepEqual(await inside(t.context, 'converted', 'systemctl is-system-running'), ['running']);
  t.is(await oddThings(t.context, 'converted'), odd);
  for (const part of ['security.capability=0x', 'system.posix_acl_access=0x', 'system.posix_acl_default=0x', 'user.note=0x', 'f 4755 0 0 ', 'd 1777 0 0 ', '4000000000 4000000001']) t.true(odd.includes(part), part);
  t.deepEqual(await inside(t.context, 'converted', 'ls /etc/ssh /boot; cat /etc/fstab'), ['/boot:', '', '/etc/ssh:', '# Mounts belong to the container runtime.']);
  const taken = await run(process.execPath, [MAIN, 'boot', 'debian:latest', '--name', 'converted', '--network', 'none'], { env });
  t.is(taken.code, 2);
  t.regex(taken.stderr, /there is a container converted already/);
  await engine.dockerOk(['stop', '--time', '60', 'converted']);
  // SIGRTMIN+3 lets systemd end by itself; 137 would be SIGKILL.
  t.not((await engine.dockerOk(['inspect', '--format', '{{.State.ExitCode}}', 'converted'])).stdout.trim(), '137');
  await engine.dockerOk(['rm', 'converted']);
  const missing = await run(process.execPath, [MAIN, 'boot', '127.0.0.1:1/none:1', '--network', 'none'], { env });
  t.is(missing.code, 3, missing.stderr);
  t.deepEqual(leftovers(scratch), []);
});

test.serial('a disk that is seeded goes through two nodes of a swarm, and boots from there', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS, 'docker-registry')) return;
  const { disk, odd, engine, env } = t.context;
  const origin = await startDockerRegistry(t);
  const first = await startAgent(t, { origin: origin.url });
  await first.cliOk(['seed', `disk:${disk}`, '--as', 'machines/debian:12'], { deadline: 5 * MINUTES });
  const second = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(first) });
  await second.waitForPeers(1);
  const booted = await run(process.execPath, [MAIN, 'boot', `${second.registryHost}/machines/debian:12`, '--name', 'swarm', '--network', 'none'], { env, deadline: 5 * MINUTES });
  t.is(booted.code, 0, booted.stderr);
  t.regex(booted.stdout, /the system is running[^]*docker exec -it swarm/);
  t.deepEqual(await inside(t.context, 'swarm', 'systemctl is-system-running'), ['running']);
  t.is(await oddThings(t.context, 'swarm'), odd);
  const { traffic } = await second.status();
  t.true(traffic.fromPeersBytes > 10 * traffic.fromOriginBytes, JSON.stringify(traffic));
  await engine.dockerOk(['rm', '--force', 'swarm']);
});

test.serial('a disk comes up live, without being converted, and nothing of it stays', async (t) => {
  t.timeout(5 * MINUTES);
  if (!requireConversion(t, ...TOOLS)) return;
  const { disk, odd, engine, env, scratch } = t.context;
  for (const backend of ['fuse', 'loop']) {
    const live = startProgram(t, process.execPath, [MAIN, 'boot', disk, '--live', '--name', 'live', '--network', 'none', '--backend', backend], { env });
    await live.waitForOutput(/the system is running/, 2 * MINUTES);
    t.is(await oddThings(t.context, 'live'), odd, backend);
    t.deepEqual(await inside(t.context, 'live', 'echo written > /etc/motd && cat /etc/motd'), ['written']);
    if (backend === 'fuse') await engine.dockerOk(['stop', '--time', '60', 'live']);
    else process.kill(live.pid, 'SIGINT');
    const { code, stderr } = await live.finished;
    t.is(code, 0, stderr);
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
  await runOk(process.execPath, [MAIN, 'convert', disk, '--trust', '--no-adapt', '--compression', 'none', '--output', `oci-archive:${file}`, '--name', 'plain:1'], { env, deadline: 5 * MINUTES });
  await engine.dockerOk(['load', '--input', file]);
  t.is((await engine.dockerOk(['run', '--rm', '--network', 'none', 'plain:1', 'sh', '-c', '. /etc/os-release && echo $ID'])).stdout, 'debian\n');
});
