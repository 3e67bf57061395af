import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type Arbitrary, array, assert, asyncProperty, boolean, constantFrom, option, record, tuple } from 'fast-check';
import { errorCode } from '../../../src/errors.ts';
import { RUNTIMES } from '../../../src/setup/runtime-names.ts';
import type { SetupTarget } from '../../../src/setup/runtime.ts';
import { runtime } from '../../../src/setup/runtimes.ts';
import { setUp, undo } from '../../../src/setup/setup.ts';
import { type Files, HUB, PRIVATE, setupRoot, snapshot, target } from '../../support/setup-root.ts';

const REALLY = { dryRun: false, force: false } as const;
const DAEMON = 'etc/docker/daemon.json';
const docker = runtime('docker');
const containerd = runtime('containerd');

/** Contents that a host may have had, by path. */
const CONTENTS: Readonly<Record<string, readonly string[]>> = {
  '/etc/docker/daemon.json': ['', '{}', '{\n\t"registry-mirrors": ["https://m.example"]\n}\n', '{"debug":true}\r\n'],
  '/etc/containerd/config.toml': [
    '',
    'version = 2\n',
    'version = 3',
    'version = 2\r\n[plugins."io.containerd.grpc.v1.cri".registry]\r\n  config_path = ""\r\n',
    '# only this: ü\n',
  ],
  '/etc/containerd/certs.d/docker.io/hosts.toml': [
    '',
    'server = "https://docker.io"',
    '[host."https://m.example"]\n  capabilities = ["pull"]\n',
  ],
  '/etc/containerd/certs.d/registry.example:5000/ca.crt': ['certificate'],
  '/etc/containerd/certs.d/_default/hosts.toml': ['# nothing yet\n'],
  '/etc/containers/registries.conf': ['unqualified-search-registries = ["docker.io"]\n', '[[registry]]\nlocation = "docker.io"\n'],
  '/etc/containers/registries.conf.d/000-shortnames.conf': ['[aliases]\n  "debian" = "docker.io/library/debian"\n'],
  '/etc/containers/registries.conf.d/zz-layerswarm.conf': ['# of an image builder\n'],
};

const someFiles = tuple(
  ...Object.entries(CONTENTS).map(([path, contents]) => option(constantFrom(...contents)).map((content) => [path, content] as const)),
).map((entries): Files => Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null)));
const someTarget = record({
  endpoint: constantFrom('http://127.0.0.1:5050', 'http://127.0.0.1:5060', 'http://localhost:1').map((url) => new URL(url)),
  registries: constantFrom([HUB], [HUB, PRIVATE]),
  everyRegistry: boolean(),
}) satisfies Arbitrary<SetupTarget>;

for (const name of RUNTIMES) {
  test(`${name}: undo puts back every byte, mode and owner, whatever was there and however often it was set up`, async (t) => {
    await assert(
      asyncProperty(
        someFiles,
        constantFrom(0o600, 0o640, 0o644),
        array(someTarget, { minLength: 1, maxLength: 3 }),
        async (files, mode, targets) => {
          const place = setupRoot(t, files, mode);
          const before = snapshot(place);
          for (const wanted of targets) await setUp(runtime(name), wanted, place, REALLY);
          const again = await setUp(runtime(name), targets.at(-1)!, place, REALLY);
          t.deepEqual(again.changes, [], 'a second time changes nothing');
          t.notDeepEqual(snapshot(place), before);
          await undo(runtime(name), place, REALLY);
          t.deepEqual(snapshot(place), before);
          t.deepEqual(readdirSync(join(place.root, 'var/lib/layerswarm')), [], 'no backup is left');
        },
      ),
      { numRuns: 25 },
    );
  });
}

test('another target replaces the former one: the result is as if it had been the first', async (t) => {
  const files = { '/etc/containerd/certs.d/docker.io/hosts.toml': 'server = "https://docker.io"\n' };
  const twice = setupRoot(t, files);
  await setUp(containerd, target({ registries: [HUB, PRIVATE] }), twice, REALLY);
  await setUp(containerd, target({ endpoint: new URL('http://127.0.0.1:6000') }), twice, REALLY);
  const once = setupRoot(t, files);
  await setUp(containerd, target({ endpoint: new URL('http://127.0.0.1:6000') }), once, REALLY);
  // the folder of the dropped registry goes with the undo
  const { 'containerd/certs.d/registry.example:5000': _folder, ...now } = snapshot(twice);
  t.deepEqual(now, snapshot(once));
});

test('a dry run shows the difference and changes nothing', async (t) => {
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{\n  "debug": true\n}\n' });
  const before = snapshot(place);
  const { changes } = await setUp(docker, target(), place, { dryRun: true, force: false });
  t.deepEqual(
    changes.map(({ action }) => action),
    ['modify'],
  );
  t.regex(
    changes[0]!.diff,
    /^--- .*daemon\.json\n\+\+\+ .*daemon\.json\n@@ .*@@\n \{\n-  "debug": true\n\+  "debug": true,\n\+  "registry-mirrors": \[\n/,
  );
  t.deepEqual(snapshot(place), before);
  await setUp(docker, target(), place, REALLY);
  const set = snapshot(place);
  t.is((await undo(docker, place, { dryRun: true, force: false })).changes.length, 1);
  t.deepEqual(snapshot(place), set);
});

test('a file that somebody else changed since is not put back, and neither is any other, unless forced', async (t) => {
  const place = setupRoot(t, { '/etc/containerd/config.toml': 'version = 2\n' });
  const before = snapshot(place);
  await setUp(containerd, target(), place, REALLY);
  appendFileSync(join(place.root, 'etc/containerd/certs.d/docker.io/hosts.toml'), '# mine\n');
  const changed = snapshot(place);
  const error = await t.throwsAsync(undo(containerd, place, REALLY), {
    message: /hosts\.toml was changed by somebody else since setup wrote it: .*--force/,
  });
  t.is(errorCode(error), 'denied');
  t.deepEqual(snapshot(place), changed);
  t.deepEqual((await setUp(containerd, target(), place, REALLY)).changes, [], 'our lines are still in it: there is nothing to do');
  await t.throwsAsync(setUp(containerd, target({ endpoint: new URL('http://127.0.0.1:1') }), place, REALLY), {
    message: /changed by somebody else/,
  });
  await undo(containerd, place, { dryRun: false, force: true });
  t.deepEqual(snapshot(place), before);
});

test('an undo that is forced brings back a folder that somebody removed', async (t) => {
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{}' });
  const before = snapshot(place);
  await setUp(docker, target(), place, REALLY);
  rmSync(join(place.root, 'etc/docker'), { recursive: true });
  await t.throwsAsync(undo(docker, place, REALLY), { message: /changed by somebody else/ });
  await undo(docker, place, { dryRun: false, force: true });
  t.deepEqual(snapshot(place), before);
});

test('without a backup there is nothing to undo', async (t) => {
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{}' });
  t.deepEqual((await undo(docker, place, REALLY)).changes, []);
});

test('a link stays a link, and one that leads out of the root is refused', async (t) => {
  const place = setupRoot(t, { '/etc/real/daemon.json': '{}' });
  mkdirSync(join(place.root, 'etc/docker'));
  symlinkSync('../real/daemon.json', join(place.root, DAEMON));
  const before = snapshot(place);
  await setUp(docker, target(), place, REALLY);
  t.regex(readFileSync(join(place.root, 'etc/real/daemon.json'), 'utf8'), /127\.0\.0\.1:5050/);
  await undo(docker, place, REALLY);
  t.deepEqual(snapshot(place), before);
  unlinkSync(join(place.root, DAEMON));
  symlinkSync('/etc/hostname', join(place.root, DAEMON));
  await t.throwsAsync(setUp(docker, target(), place, REALLY), { message: /is a link that leads out of/ });
});

test('the root of an image can be moved: its backup has no path of the host that prepared it', async (t) => {
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{"debug": true}' });
  const before = snapshot(place);
  await setUp(docker, target(), place, REALLY);
  const moved = { ...place, root: `${place.root}-moved`, backups: join(`${place.root}-moved`, 'var/lib/layerswarm/setup') };
  renameSync(place.root, moved.root);
  t.teardown(() => rmSync(moved.root, { recursive: true }));
  await undo(docker, moved, REALLY);
  t.deepEqual(snapshot(moved), before);
});

test('a setup that ends half-way leaves each file old or new, and can be undone or done again', async (t) => {
  const files = {
    '/etc/containerd/config.toml': 'version = 2\n',
    '/etc/containerd/certs.d/docker.io/hosts.toml': 'server = "https://docker.io"\n',
  };
  const first = target({ registries: [HUB, PRIVATE] });
  const second = target({ endpoint: new URL('http://127.0.0.1:6000'), registries: [HUB, PRIVATE] });
  const obstacle = 'etc/containerd/certs.d/registry.example:5000/.hosts.toml.layerswarm-new';
  for (const then of ['undo', 'again'] as const) {
    const place = setupRoot(t, files);
    const before = snapshot(place);
    await setUp(containerd, first, place, REALLY);
    const set = snapshot(place);
    // a folder where the new file would be written: the last file cannot be, after the others were
    mkdirSync(join(place.root, obstacle, 'x'), { recursive: true });
    await t.throwsAsync(setUp(containerd, second, place, REALLY));
    rmSync(join(place.root, obstacle), { recursive: true });
    const half = snapshot(place);
    t.notDeepEqual(half, set);
    t.is(half['containerd/certs.d/registry.example:5000/hosts.toml'], set['containerd/certs.d/registry.example:5000/hosts.toml']);
    if (then === 'again') {
      await setUp(containerd, second, place, REALLY);
      t.regex(readFileSync(join(place.root, 'etc/containerd/certs.d/registry.example:5000/hosts.toml'), 'utf8'), /6000/);
    }
    await undo(containerd, place, REALLY);
    t.deepEqual(snapshot(place), before);
  }
});

test('a damaged backup is said to be one, and nothing is touched', async (t) => {
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{}' });
  await setUp(docker, target(), place, REALLY);
  writeFileSync(join(place.backups, 'docker.json'), '{"format": 1, "files": [{"path": "../../x"}]}');
  t.is(errorCode(await t.throwsAsync(undo(docker, place, REALLY))), 'config-invalid');
});

test('the backup is readable by its owner alone, since a configuration may hold secrets', async (t) => {
  const place = setupRoot(t, { '/etc/docker/daemon.json': '{}' }, 0o600);
  chmodSync(place.root, 0o755);
  await setUp(docker, target(), place, REALLY);
  const { statSync } = await import('node:fs');
  t.is(statSync(join(place.backups, 'docker.json')).mode & 0o777, 0o600);
  t.is(statSync(join(place.root, DAEMON)).mode & 0o777, 0o600, 'and what was closed stays closed');
});
