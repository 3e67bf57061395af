import test from 'ava';
import { parse } from 'smol-toml';
import { type ErrorCode, errorCode } from '../../../src/errors.ts';
import { podman } from '../../../src/setup/podman.ts';
import type { SetupTarget } from '../../../src/setup/runtime.ts';
import { type Files, HUB, hostFiles, PRIVATE, QUAY, target } from '../../support/setup-root.ts';

const MAIN = '/etc/containers/registries.conf';
const DROP_IN = '/etc/containers/registries.conf.d/zz-layerswarm.conf';
const MIRROR = { location: '127.0.0.1:5050', insecure: true };

async function registries(files: Files, more: Partial<SetupTarget> = {}): Promise<unknown> {
  const { files: planned } = await podman.plan(hostFiles(files), target(more), '/etc');
  assertOnlyDropIn(planned.map(({ path }) => path));
  return parse(planned[0]!.content)['registry'];
}

function assertOnlyDropIn(paths: readonly string[]): void {
  if (paths.length !== 1 || paths[0] !== DROP_IN) throw new Error(`expected one drop-in, received ${paths.join()}`);
}

const ROWS: readonly (readonly [title: string, files: Files, more: Partial<SetupTarget>, expected: readonly object[]])[] = [
  ['nothing before', {}, {}, [{ prefix: 'docker.io', location: 'docker.io', mirror: [MIRROR] }]],
  [
    'several registries, one of them a mirror with a path',
    {},
    { registries: [PRIVATE, QUAY] },
    [
      { prefix: 'registry.example:5000', location: 'registry.example:5000', mirror: [MIRROR] },
      { prefix: 'quay.io', location: 'quay.io', mirror: [{ ...MIRROR, location: '127.0.0.1:5050/quay.io' }] },
    ],
  ],
  [
    'short names alone',
    { [MAIN]: 'unqualified-search-registries = ["docker.io"]\n' },
    {},
    [{ prefix: 'docker.io', location: 'docker.io', mirror: [MIRROR] }],
  ],
  [
    'mirrors of the same registry, which come after',
    { [MAIN]: '[[registry]]\nlocation = "docker.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.example/hub"\n' },
    {},
    [{ prefix: 'docker.io', location: 'docker.io', 'mirror-by-digest-only': true, mirror: [MIRROR, { location: 'm.example/hub' }] }],
  ],
  [
    'a later drop-in that wins over the main file',
    {
      [MAIN]: '[[registry]]\nprefix = "docker.io"\nlocation = "main.example"\n',
      '/etc/containers/registries.conf.d/50-x.conf': '[[registry]]\nprefix = "docker.io"\nlocation = "drop.example"\nblocked = true\n',
      '/etc/containers/registries.conf.d/note.txt': 'no configuration',
    },
    {},
    [{ prefix: 'docker.io', location: 'drop.example', blocked: true, mirror: [MIRROR] }],
  ],
  [
    'a registry on loopback without TLS',
    {},
    { registries: [{ name: '127.0.0.1:15000', server: 'http://127.0.0.1:15000' }] },
    [{ prefix: '127.0.0.1:15000', location: '127.0.0.1:15000', insecure: true, mirror: [MIRROR] }],
  ],
  [
    'a registry elsewhere without TLS, which podman is not told to trust',
    {},
    { registries: [{ name: 'r.example', server: 'http://r.example' }] },
    [{ prefix: 'r.example', location: 'r.example', mirror: [MIRROR] }],
  ],
  [
    'an endpoint with TLS',
    {},
    { endpoint: new URL('https://node.example:5050') },
    [{ prefix: 'docker.io', location: 'docker.io', mirror: [{ location: 'node.example:5050' }] }],
  ],
];

for (const [title, files, more, expected] of ROWS) {
  test(`registries.conf: ${title}`, async (t) => {
    t.deepEqual(await registries(files, more), structuredClone(expected) as unknown);
  });
}

const REFUSED: readonly (readonly [title: string, files: Files, more: Partial<SetupTarget>, code: ErrorCode, message: RegExp])[] = [
  ['files of version 1', { [MAIN]: '[registries.search]\nregistries = ["docker.io"]\n' }, {}, 'unsupported', /is of version 1/],
  [
    'a drop-in that is read later',
    { '/etc/containers/registries.conf.d/zzz.conf': '[[registry]]\nprefix = "docker.io"\n' },
    {},
    'unsupported',
    /zzz\.conf is read after/,
  ],
  [
    'an endpoint beyond loopback without TLS',
    {},
    { endpoint: new URL('http://192.0.2.1:5050') },
    'unsupported',
    /expected an endpoint on loopback or with TLS/,
  ],
  ['what is not TOML', { [MAIN]: '[[registry]\n' }, { registries: [HUB] }, 'config-invalid', /registries\.conf \(line 1\): expected TOML/],
];

for (const [title, files, more, code, message] of REFUSED) {
  test(`refuses ${title}, and says what to do`, async (t) => {
    t.is(errorCode(await t.throwsAsync(registries(files, more), { message })), code);
  });
}
