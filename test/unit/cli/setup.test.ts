import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cli } from '../../support/cli.ts';
import { tempDir } from '../../support/temp-dir.ts';

interface Prepared {
  readonly root: string;
  readonly config: string;
}

function prepare(t: ExecutionContext, settings: object): Prepared {
  const folder = tempDir(t);
  const [root, config] = [join(folder, 'root'), join(folder, 'layerswarm.yaml')];
  mkdirSync(root);
  writeFileSync(config, JSON.stringify(settings));
  return { root, config };
}

test('without a running agent its configuration says what to set up, and that is said', async (t) => {
  const { root, config } = prepare(t, { registry: '0.0.0.0:5055', mirrors: ['docker.io', 'quay.io=https://quay.io'] });
  const made = await cli(['--config', config, 'setup', 'podman', '--root', root]);
  t.is(made.code, 0, made.stderr);
  t.regex(
    made.stdout,
    /^made +.*zz-layerswarm\.conf\npodman pulls docker\.io, quay\.io through http:\/\/127\.0\.0\.1:5055\nno agent runs on .*\nits origin is learned/,
  );
  t.regex(
    readFileSync(join(root, 'etc/containers/registries.conf.d/zz-layerswarm.conf'), 'utf8'),
    /location = "127\.0\.0\.1:5055\/quay\.io"/,
  );
  const undone = await cli(['--config', config, '--json', 'setup', 'podman', '--root', root, '--undo']);
  t.is((JSON.parse(undone.stdout) as { changes: { action: string }[] }).changes[0]?.action, 'remove');
  t.regex((await cli(['--config', config, 'setup', 'podman', '--root', root, '--undo'])).stdout, /nothing to undo/);
});

for (const [title, settings, args, code, message] of [
  ['an unknown runtime', {}, ['rkt'], 2, /Allowed choices are containerd, docker, podman, crio, k3s, rke2, nerdctl, buildkit/],
  ['--all-registries for another runtime than containerd', {}, ['docker', '--all-registries'], 2, /--all-registries is for containerd/],
  [
    'a port that is not known yet',
    { registry: '127.0.0.1:0' },
    ['containerd'],
    4,
    /start it first, or name its registry endpoint with --endpoint URL/,
  ],
  [
    'an endpoint that is none',
    {},
    ['containerd', '--endpoint', 'http://x/y'],
    2,
    /expected an endpoint such as http:\/\/127\.0\.0\.1:5050, received http:\/\/x\/y/,
  ],
  ['no registry at all', { mirrors: [] }, ['containerd'], 2, /serves no registry that a runtime could name/],
] as const) {
  test(`refuses ${title} with exit code ${code}`, async (t) => {
    const { root, config } = prepare(t, settings);
    const result = await cli(['--config', config, 'setup', ...args, '--root', root]);
    t.is(result.code, code, result.stderr);
    t.regex(result.stderr, message);
  });
}

test('uninstall undoes every setup, and says which it could not', async (t) => {
  const { root, config } = prepare(t, { origin: 'https://registry.example', mirrors: ['docker.io'] });
  const run = (...args: string[]) => cli(['--config', config, ...args, '--root', root]);
  const files = (): string[] =>
    (readdirSync(join(root, 'etc'), { recursive: true }) as string[]).filter((name) => /\.(?:toml|yaml|json|conf)$/.test(name)).sort();
  mkdirSync(join(root, 'etc'));
  t.regex((await run('uninstall')).stdout, /^nothing to undo/);
  for (const runtime of ['containerd', 'docker', 'crio', 'k3s', 'buildkit']) t.is((await run('setup', runtime)).code, 0, runtime);
  const made = files();
  t.is(made.length, 7, made.join());
  t.is((await run('uninstall', '--dry-run')).code, 0);
  t.deepEqual(files(), made);
  writeFileSync(join(root, 'etc/docker/daemon.json'), '{"debug": true}');
  const some = await run('uninstall', '--json');
  t.is(some.code, 1, some.stderr);
  t.deepEqual(
    (JSON.parse(some.stdout) as { runtimes: { runtime: string; error: string | null }[] }).runtimes.map(({ runtime, error }) => [
      runtime,
      error === null,
    ]),
    [
      ['containerd', true],
      ['docker', false],
      ['podman', true],
      ['k3s', true],
      ['buildkit', true],
    ],
  );
  t.deepEqual(files(), ['docker/daemon.json']);
  t.is((await run('uninstall', '--force')).code, 0);
  t.deepEqual(files(), []);
});
