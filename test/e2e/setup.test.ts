import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { CleanupStack } from '../support/cleanup.ts';
import { startContainerd } from '../support/containerd.ts';
import { type DockerRegistry, REGISTRY_USER, startDockerRegistry } from '../support/docker-registry.ts';
import { startDockerd } from '../support/dockerd.ts';
import { pushLayout, smallImage } from '../support/images.ts';
import { type Agent, programEnv, startAgent } from '../support/layerswarm.ts';
import { createPodman } from '../support/podman.ts';
import { runOk } from '../support/process.ts';
import { findTool, requireTool } from '../support/require-tool.ts';
import { DEBIAN_CONTAINERD, type Files, setupRoot, snapshot } from '../support/setup-root.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const NAME = 'team/app';
const LOGIN = `Basic ${Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64')}`;

interface Context {
  stack: CleanupStack;
  /** The origin, open to all. */
  open: DockerRegistry;
  /** Lets in only who has a login, which is the node alone. */
  closed: DockerRegistry;
  agent: Agent;
  /** Digest of each registry's `team/app:v1`. */
  digests: { open: string; closed: string };
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  const stack = new CleanupStack();
  t.context.stack = stack;
  if (findTool('docker-registry') === undefined) return;
  const [open, closed] = await Promise.all([startDockerRegistry(stack), startDockerRegistry(stack, { basicAuth: true })]);
  const pushed = await pushLayout(open, await smallImage(stack), 'v1', NAME);
  const secret = await pushLayout({ url: closed.url, authorization: LOGIN }, await smallImage(stack), 'v1', NAME);
  const folder = tempDir(stack, 'config');
  writeFileSync(join(folder, 'password'), `${REGISTRY_USER.password}\n`);
  writeFileSync(
    join(folder, 'layerswarm.yaml'),
    JSON.stringify({
      mirrors: [
        'docker.io',
        { name: closed.host, url: closed.url, username: REGISTRY_USER.username, passwordFile: join(folder, 'password') },
      ],
    }),
  );
  const agent = await startAgent(stack, { origin: open.url, args: ['--config', join(folder, 'layerswarm.yaml')] });
  Object.assign(t.context, { open, closed, agent, digests: { open: pushed.digest, closed: secret.digest } });
});
test.after.always(async (t) => {
  await t.context.stack.undo();
});

interface Report {
  readonly endpoint: string | null;
  readonly registries: readonly string[];
  readonly changes: readonly { readonly path: string; readonly action: string; readonly diff: string }[];
  readonly reload: { readonly state: string } | null;
}

/** Sets up a root with this earlier content, lets `use` pull through it, undoes it, and compares every byte. */
async function throughSetup(
  t: ExecutionContext<Context>,
  runtime: string,
  files: Files,
  use: (root: string, report: Report) => Promise<void>,
  flags: readonly string[] = [],
): Promise<void> {
  const { agent, open } = t.context;
  const place = setupRoot(t, files);
  const before = snapshot(place);
  const line = ['setup', runtime, '--root', place.root, ...flags];
  t.true((await agent.cliJson<Report>([...line, '--dry-run'])).changes.length > 0);
  t.deepEqual(snapshot(place), before);
  const report = await agent.cliJson<Report>(line);
  t.is(report.endpoint, agent.registry);
  t.true(report.registries.includes(open.host));
  t.deepEqual((await agent.cliJson<Report>(line)).changes, [], 'idempotent');
  await use(place.root, report);
  t.is((await agent.cliJson<Report>([...line, '--undo'])).changes.length, report.changes.length);
  t.deepEqual(snapshot(place), before);
}

for (const [title, files] of [
  ['without earlier content', {}],
  [
    'with earlier content',
    {
      '/etc/containerd/config.toml': DEBIAN_CONTAINERD,
      '/etc/containerd/certs.d/docker.io/hosts.toml': 'server = "https://registry-1.docker.io"\n',
    },
  ],
] as const) {
  test.serial(
    `containerd pulls from two registries under unchanged names, one with a login that only the node has: ${title}`,
    async (t) => {
      if (!requireTool(t, 'root', 'docker-registry', 'containerd', 'ctr', 'runc')) return;
      const { open, closed, digests } = t.context;
      await throughSetup(t, 'containerd', files, async (root) => {
        const { stdout } = await runOk('containerd', ['--config', join(root, 'etc/containerd/config.toml'), 'config', 'dump']);
        t.regex(stdout, /config_path = "\/etc\/containerd\/certs\.d"/);
        const { ctr, ctrOk } = await startContainerd(t);
        const refused = await ctr(['images', 'pull', '--plain-http', `${closed.host}/${NAME}:v1`]);
        t.not(refused.code, 0, 'the registry itself does not let it in');
        for (const [host, digest] of [
          [open.host, digests.open],
          [closed.host, digests.closed],
        ] as const) {
          await ctrOk(['images', 'pull', '--hosts-dir', join(root, 'etc/containerd/certs.d'), `${host}/${NAME}:v1`], { deadline: 120_000 });
          t.true((await ctrOk(['images', 'ls', `name==${host}/${NAME}:v1`])).stdout.includes(digest));
        }
      });
    },
  );
}

test.serial('podman pulls from two registries under unchanged names', async (t) => {
  if (!requireTool(t, 'root', 'docker-registry', 'podman')) return;
  const { open, closed, digests } = t.context;
  const files = {
    '/etc/containers/registries.conf': 'unqualified-search-registries = ["docker.io"]\n\n[[registry]]\nlocation = "docker.io"\n',
  };
  await throughSetup(t, 'podman', files, async (root) => {
    // podman reads a user's own folder of configuration where there is one
    const home = tempDir(t, 'home');
    mkdirSync(join(home, 'run'));
    symlinkSync(join(root, 'etc'), join(home, '.config'));
    const { podmanOk } = createPodman(t);
    const env = { HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), XDG_CONFIG_HOME: undefined };
    for (const [host, digest] of [
      [open.host, digests.open],
      [closed.host, digests.closed],
    ] as const) {
      await podmanOk(['pull', `${host}/${NAME}:v1`], { env, deadline: 120_000 });
      t.true((await podmanOk(['image', 'inspect', '--format', '{{.Digest}}', `${host}/${NAME}:v1`], { env })).stdout.includes(digest));
    }
  });
});

test.serial('a running dockerd takes up its mirror, pulls through it, and loses it again', async (t) => {
  if (!requireTool(t, 'root', 'docker-registry', 'dockerd', 'docker', 'containerd', 'runc')) return;
  t.timeout(180_000);
  const { agent, digests } = t.context;
  const place = setupRoot(t, {
    '/etc/docker/daemon.json': '{\n    "max-concurrent-downloads": 2,\n    "registry-mirrors": ["http://127.0.0.1:9"]\n}\n',
  });
  const before = snapshot(place);
  const { dockerOk, pidFile } = await startDockerd(t, { configFile: join(place.root, 'etc/docker/daemon.json') });
  const mirrors = async (): Promise<string[]> =>
    JSON.parse((await dockerOk(['info', '--format', '{{json .RegistryConfig.Mirrors}}'])).stdout) as string[];
  const line = ['setup', 'docker', '--root', place.root, '--pid-file', pidFile];
  t.is((await agent.cliJson<Report>(line)).reload?.state, 'done');
  await waitFor('dockerd to read its configuration again', async () => (await mirrors())[0] === `${agent.registry}/`);
  t.true((await dockerOk(['pull', `docker.io/${NAME}:v1`])).stdout.includes(digests.open));
  t.is((await agent.cliJson<Report>([...line, '--undo'])).reload?.state, 'done');
  await waitFor('dockerd to read its configuration again', async () => (await mirrors()).length === 1);
  t.deepEqual(snapshot(place), before);
});

test.serial('a running dockerd forgets the mirror of a daemon.json that had none before', async (t) => {
  if (!requireTool(t, 'root', 'docker-registry', 'dockerd', 'docker', 'containerd', 'runc')) return;
  const { agent } = t.context;
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{"max-concurrent-downloads": 2}' });
  const before = snapshot(place);
  const { dockerOk, pidFile, socket } = await startDockerd(t, { configFile: join(place.root, 'etc/docker/daemon.json') });
  const mirrors = async (): Promise<string[]> =>
    JSON.parse((await dockerOk(['info', '--format', '{{json .RegistryConfig.Mirrors}}'])).stdout) as string[];
  const line = ['--root', place.root, '--pid-file', pidFile];
  await agent.cliOk(['setup', 'docker', ...line]);
  await waitFor('dockerd to read its configuration again', async () => (await mirrors()).length === 1);
  await agent.cliOk(['uninstall', ...line], { env: { ...programEnv(join(agent.data, '..')), DOCKER_HOST: `unix://${socket}` } });
  t.deepEqual(await mirrors(), []);
  t.deepEqual(snapshot(place), before);
});

test.serial('a registry that the agent does not serve cannot be set up', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { agent } = t.context;
  const place = setupRoot(t, {});
  const refused = await agent.cli(['setup', 'containerd', '--root', place.root, '--registry', 'ghcr.io']);
  t.is(refused.code, 2);
  t.regex(
    refused.stderr,
    /^layerswarm: expected a registry that the agent serves \(127\.0\.0\.1:\d+, docker\.io, 127\.0\.0\.1:\d+\), received ghcr\.io: add it to mirrors of the agent first\n$/,
  );
  t.deepEqual(snapshot(place), {});
});

test.serial('pull by reference reads from the registry that it names, and status tells of each', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { agent, closed, digests } = t.context;
  const receipt = await agent.cliJson<{ reference: string; digest: string }>(['pull', `${closed.host}/${NAME}:v1`]);
  t.is(receipt.reference, `${closed.host}/${NAME}:v1`);
  t.is(receipt.digest, digests.closed);
  const { registries } = await agent.cliJson<{ registries: { name: string; kind: string; state: string | null }[] }>(['status']);
  t.deepEqual(
    registries.find(({ name }) => name === closed.host),
    { ...registries.at(-1)!, name: closed.host, kind: 'mirror', state: 'ok' },
  );
  t.regex((await agent.cliOk(['status'])).stdout, new RegExp(`^mirror +${closed.host.replaceAll('.', '\\.')} from http://.* ok$`, 'm'));
});
