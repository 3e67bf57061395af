import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { configOf, loadConfig, type ConfigOptions } from '../../../../src/agent/config/config.ts';
import { dataDirectory } from '../../../../src/agent/config/data-directory.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const NO_FILE = { env: { LAYERSWARM_CONFIG: '/dev/null' } };

async function yaml(t: ExecutionContext, text: string): Promise<string> {
  const file = join(tempDir(t), 'layerswarm.yaml');
  await writeFile(file, text);
  return file;
}

test('defaults are those of the documentation', async (t) => {
  const config = await loadConfig({ ...NO_FILE, uid: 0 });
  t.like(config, {
    data: '/var/lib/layerswarm',
    origin: 'auto',
    registry: { host: '127.0.0.1', port: 5050 },
    status: { host: '127.0.0.1', port: 5051 },
    push: undefined,
    listen: ['/ip4/127.0.0.1/tcp/4001'],
    bulk: { host: '127.0.0.1', port: 4002 },
    mdns: true,
    open: false,
  });
});

test('a node that is not root keeps its data at home', async (t) => {
  t.regex((await loadConfig({ ...NO_FILE, uid: 1000 })).data, /\/\.local\/share\/layerswarm$/);
});

for (const [given, flags] of [
  ['a swarm key', { swarmKey: ['k'] }],
  ['--open', { open: true }],
] as const) {
  test(`with ${given} it listens on every address`, async (t) => {
    const config = await loadConfig({ ...NO_FILE, flags });
    t.deepEqual(config.listen, ['/ip4/0.0.0.0/tcp/4001']);
    t.deepEqual(config.bulk, { host: '0.0.0.0', port: 4002 });
  });
}

test('flags go before the environment, that before the file, and that before defaults', async (t) => {
  const file = await yaml(t, 'zone: file\ntags:\n  ttl: 1m\n  staleFor: 3d\nstore:\n  maxBytes: 5GiB\nemit:\n');
  const env = { LAYERSWARM_ZONE: 'env', LAYERSWARM_TAGS_TTL: '2m', LAYERSWARM_MDNS: 'off', LAYERSWARM_LIMITS_ORIGIN_CONNECTIONS: '3' };
  const config = await loadConfig({ file, env, flags: { zone: 'flag' } });
  t.is(config.zone, 'flag');
  t.deepEqual(config.tags, { ttl: 120_000, staleFor: 259_200_000 });
  t.like(config.store, { maxBytes: { bytes: 5 * 2 ** 30 }, maxAge: 0 });
  t.false(config.mdns);
  t.is(config.limits.originConnections, 3);
  t.is(config.emit, 'proven', 'a key without a value stays at its default');
});

test('a list in the environment is separated by commas or blanks, and replaces the one of the file', async (t) => {
  const file = await yaml(t, 'bootstrap: [/ip4/10.0.0.1/tcp/4001]\n');
  const config = await loadConfig({ file, env: { LAYERSWARM_BOOTSTRAP: '/dns4/a.example/tcp/1, /ip4/10.0.0.2/tcp/2' } });
  t.deepEqual(config.bootstrap, ['/dns4/a.example/tcp/1', '/ip4/10.0.0.2/tcp/2']);
});

test('a misspelt variable is warned of, and those that Kubernetes makes of service names are not', async (t) => {
  const config = await loadConfig({
    env: {
      LAYERSWARM_CONFIG: '/dev/null',
      LAYERSWARM_ZOEN: 'a',
      LAYERSWARM_SERVICE_HOST: '10.0.0.1',
      LAYERSWARM_PORT: 'tcp://10.0.0.1:5050',
    },
  });
  t.deepEqual(config.warnings, ['LAYERSWARM_ZOEN is not the name of a setting and has no effect']);
});

test('limits are rates in bytes or bits a second', async (t) => {
  const { limits, warnings } = await loadConfig({
    ...NO_FILE,
    flags: { limitsUpload: '50MB/s', limitsDownload: '400Mbit/s', limitsHost: '1MiB/s' },
  });
  t.like(limits, { upload: 50e6, download: 50e6, host: 1 << 20, origin: 0, originConnections: 16, members: 256, clients: 4096 });
  t.deepEqual(warnings, []);
});

test('a node has as many bulk threads as half of its processors, 1 to 4, or as it is told', async (t) => {
  const { limits } = await loadConfig(NO_FILE);
  t.is(limits.bulkThreads, Math.min(4, Math.max(1, Math.floor(availableParallelism() / 2))));
  t.is((await loadConfig({ env: { ...NO_FILE.env, LAYERSWARM_LIMITS_BULK_THREADS: '3' } })).limits.bulkThreads, 3);
  for (const limitsBulkThreads of ['0', '5', '1.5'])
    await t.throwsAsync(loadConfig({ ...NO_FILE, flags: { limitsBulkThreads } }), {
      code: 'config-invalid',
      message: /^limits\.bulkThreads .*expected a number from 1 to 4, received/,
    });
});

test('mirrors are names that the origin answers for, and registries with an upstream and a login of their own', async (t) => {
  const file = await yaml(
    t,
    'mirrors:\n  - docker.io\n  - Quay.io=https://quay.io\n  - {name: private.example, url: "https://private.example:8443", username: bot, passwordFile: /run/pw, ca: /etc/ca.pem}\n',
  );
  const { mirrors, upstreams } = await loadConfig({ env: {}, file });
  t.deepEqual(mirrors, ['docker.io']);
  t.deepEqual(upstreams, [
    { name: 'quay.io', url: 'https://quay.io', login: undefined, ca: undefined },
    {
      name: 'private.example',
      url: 'https://private.example:8443',
      login: { username: 'bot', passwordFile: '/run/pw' },
      ca: '/etc/ca.pem',
    },
  ]);
  t.deepEqual((await loadConfig(NO_FILE)).mirrors, ['docker.io']);
  const fromEnv = await loadConfig({ env: { LAYERSWARM_CONFIG: '/dev/null', LAYERSWARM_MIRRORS: 'ghcr.io=https://ghcr.io,docker.io' } });
  t.deepEqual(
    fromEnv.upstreams.map(({ name }) => name),
    ['ghcr.io'],
  );
});

const refusals: readonly [title: string, options: ConfigOptions, message: RegExp][] = [
  ['a malformed address', { flags: { registry: 'localhost' } }, /^registry \(--registry\): expected HOST:PORT, received "localhost"$/],
  ['a port beyond the last', { flags: { status: '127.0.0.1:70000' } }, /^status \(--status\): expected HOST:PORT or off, received/],
  [
    'an unknown unit',
    { env: { LAYERSWARM_CONFIG: '/dev/null', LAYERSWARM_STORE_MAX_BYTES: 'lots' } },
    /^store\.maxBytes \(LAYERSWARM_STORE_MAX_BYTES\): expected a size .*, received "lots"$/,
  ],
  [
    'an origin with a query',
    { flags: { origin: 'https://registry.example/x?y' } },
    /^origin \(--origin\): expected auto, embedded, or a URL .*, received "https:\/\/registry\.example\/x\?y"$/,
  ],
  [
    'three swarm keys',
    { flags: { swarmKey: ['a', 'b', 'c'] } },
    /^swarmKey \(--swarm-key\): expected one key file, or two during a rotation, received \["a","b","c"\]$/,
  ],
  [
    'a listener on the network without a key',
    { flags: { listen: ['/ip4/0.0.0.0/tcp/4001'] } },
    /^swarmKey: expected a key file, since \/ip4\/0\.0\.0\.0\/tcp\/4001 can be reached/,
  ],
  [
    'a bulk listener on the network without a key',
    { flags: { bulk: '192.0.2.1:4002' } },
    /^swarmKey: expected a key file, since 192\.0\.2\.1:4002 can be reached/,
  ],
  [
    'a login for an origin that is yet to be learned',
    { flags: { originUsername: 'u', originPasswordFile: 'f' } },
    /^originUsername: expected it together with the URL of an origin, received it with origin auto$/,
  ],
  [
    'a user name without its password file',
    { flags: { origin: 'https://r.example', originUsername: 'u' } },
    /^originPasswordFile: expected it together with originUsername, received nothing$/,
  ],
  ['a push listener beside an embedded origin', { flags: { push: '127.0.0.1:5052', origin: 'embedded' } }, /^push: expected off/],
  [
    'a file that is not there',
    { env: {}, file: '/nowhere/layerswarm.yaml' },
    /^\/nowhere\/layerswarm\.yaml: expected a readable configuration file, received ENOENT$/,
  ],
];
for (const [title, options, message] of refusals) {
  test(`refuses ${title}, with key, expected and received on one line`, async (t) => {
    const error = await t.throwsAsync(loadConfig({ ...NO_FILE, ...options }), { instanceOf: LayerswarmError, message });
    t.is(error.code, 'config-invalid');
    t.false(error.message.includes('\n'));
  });
}

const files: readonly [title: string, text: string, message: RegExp][] = [
  ['an unknown key', 'zone: a\nstore:\n  maxByte: 1\n', /^store\.maxByte: expected the name of a setting .*, received an unknown key$/],
  ['a wrong type', 'mdns: sometimes\n', /^mdns \(.*layerswarm\.yaml\): expected true or false, received "sometimes"$/],
  ['a section that is no map', 'store: 5GiB\n', /^store: expected a map of settings, received "5GiB"$/],
  ['a list as the document', '- a\n', /: expected a map of settings, received \["a"\]$/],
  [
    'a registry that is mirrored twice',
    'mirrors: [docker.io, "docker.io=https://hub.example"]\n',
    /^mirrors: expected each registry once, received docker\.io twice$/,
  ],
  [
    'the origin among the mirrors',
    'origin: https://quay.io\nmirrors: ["quay.io=https://quay.io"]\n',
    /^mirrors: expected registries beside the origin, received quay\.io, which is the origin$/,
  ],
  [
    'half a login of a mirror',
    'mirrors: [{name: quay.io, url: "https://quay.io", username: bot}]\n',
    /^mirrors: expected username and passwordFile together, received one of them for quay\.io$/,
  ],
  ['a mirror with a query', 'mirrors: ["quay.io=https://quay.io/x?y"]\n', /^mirrors .*: expected registry names such as docker\.io/],
  ['what is not YAML', 'a: [\n', /: expected YAML, received: /],
  ['an alias of nothing', 'zone: *none\n', /: expected YAML, received: Unresolved alias .*none$/],
];
for (const [title, text, message] of files) {
  test(`refuses a file with ${title}`, async (t) => {
    await t.throwsAsync(loadConfig({ env: {}, file: await yaml(t, text) }), { message });
  });
}

test('a password in the URL of the origin is refused and not repeated', async (t) => {
  const error = await t.throwsAsync(loadConfig({ ...NO_FILE, flags: { origin: 'https://me:hunter2@registry.example' } }));
  t.false(error.message.includes('hunter2'));
});

test('the data directory is found without checking the rest', async (t) => {
  const file = await yaml(t, 'data: /srv/swarm\nzone: "not valid!"\n');
  t.is(await dataDirectory({ env: {}, file, flag: undefined }), '/srv/swarm');
  t.is(await dataDirectory({ env: { LAYERSWARM_DATA: '/srv/other' }, file, flag: undefined }), '/srv/other');
  t.is(await dataDirectory({ env: {}, file, flag: '/srv/flag' }), '/srv/flag');
  t.is(await dataDirectory({ env: { LAYERSWARM_CONFIG: '/dev/null' }, uid: 0, file: undefined, flag: undefined }), '/var/lib/layerswarm');
});

test('an embedded origin may be named, and nothing else may have a name of that kind', async (t) => {
  t.is((await loadConfig({ ...NO_FILE, flags: { origin: 'embedded', originName: 'reg-1' } })).originName, 'reg-1');
  for (const [flags, message] of [
    [{ originName: 'reg-1' }, /originName: expected it together with origin embedded, received it with origin auto/],
    [{ origin: 'embedded', originName: 'Reg' }, /originName.*: expected a name of at most 40 lower-case letters.*received "Reg"/],
    [{ origin: 'https://reg.embedded' }, /origin.*: expected auto, embedded, or a URL.*received "https:\/\/reg\.embedded"/],
    [{ mirrors: ['reg.embedded=https://registry.example'] }, /mirrors.*: expected registry names/],
  ] as const)
    await t.throwsAsync(loadConfig({ ...NO_FILE, flags }), { message });
});

test.serial('settings that a program gives are checked as a file is, and nothing else counts', (t) => {
  const before = process.env['LAYERSWARM_ZONE'];
  process.env['LAYERSWARM_ZONE'] = 'elsewhere';
  t.teardown(() => {
    if (before === undefined) delete process.env['LAYERSWARM_ZONE'];
    else process.env['LAYERSWARM_ZONE'] = before;
  });
  const config = configOf({ data: '/srv/node', status: 'off', store: { maxBytes: '20 GiB' } });
  t.like(config, { data: '/srv/node', status: undefined, zone: 'default', store: { maxBytes: { bytes: 20 * 2 ** 30 } }, warnings: [] });
  t.throws(() => configOf({ data: '/srv/node', origin: 'ftp://x' }), {
    code: 'config-invalid',
    message: /^origin: expected auto, embedded, or a URL/,
  });
  t.throws(() => configOf({ data: '/srv/node', listen: ['/ip4/0.0.0.0/tcp/4001'] }), { code: 'config-invalid', message: /^swarmKey: / });
});
