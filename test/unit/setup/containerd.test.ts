import test from 'ava';
import { parse } from 'smol-toml';
import { type ErrorCode, errorCode } from '../../../src/errors.ts';
import { containerd } from '../../../src/setup/containerd.ts';
import type { SetupTarget } from '../../../src/setup/runtime.ts';
import { DEBIAN_CONTAINERD, type Files, HUB, hostFiles, PRIVATE, target } from '../../support/setup-root.ts';

const MAIN = '/etc/containerd/config.toml';
const CERTS = '/etc/containerd/certs.d';
const HEADING = '# The node of layerswarm on this host; "layerswarm setup containerd --undo" takes it away.\n';
const ENTRY = `${HEADING}[host."http://127.0.0.1:5050"]\n  capabilities = ["pull", "resolve"]\n`;

async function plan(files: Files, more: Partial<SetupTarget> = {}): Promise<Record<string, string>> {
  const { files: planned } = await containerd.plan(hostFiles(files), target(more), '/etc');
  return Object.fromEntries(planned.map(({ path, content }) => [path, content]));
}

const CONFIGS: readonly (readonly [title: string, before: string | undefined, after: string | undefined])[] = [
  ['none', undefined, `version = 2\n\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${CERTS}"\n`],
  ['an empty one, which is of version 1', '', `[plugins.cri.registry]\n  config_path = "${CERTS}"\n`],
  ["Debian's", DEBIAN_CONTAINERD, `${DEBIAN_CONTAINERD}\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${CERTS}"\n`],
  [
    'one without a line break at its end',
    'version = 2',
    `version = 2\n\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${CERTS}"\n`,
  ],
  [
    'an empty config_path, as containerd prints its defaults',
    'version = 2\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "" # nowhere\n\n    [plugins."io.containerd.grpc.v1.cri".registry.mirrors]\n',
    `version = 2\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "${CERTS}" # nowhere\n\n    [plugins."io.containerd.grpc.v1.cri".registry.mirrors]\n`,
  ],
  [
    'a table of registries without config_path, and a comment that looks like one',
    'version = 2\n# config_path = ""\n[plugins."io.containerd.grpc.v1.cri".registry] # ours\n[plugins."io.containerd.grpc.v1.cri".registry.headers]\n  User-Agent = ["x"]\n',
    `version = 2\n# config_path = ""\n[plugins."io.containerd.grpc.v1.cri".registry] # ours\n  config_path = "${CERTS}"\n[plugins."io.containerd.grpc.v1.cri".registry.headers]\n  User-Agent = ["x"]\n`,
  ],
  [
    'version 3',
    'version = 3\r\n[debug]\r\n  level = "info"\r\n',
    `version = 3\r\n[debug]\r\n  level = "info"\r\n\r\n[plugins."io.containerd.cri.v1.images".registry]\r\n  config_path = "${CERTS}"\r\n`,
  ],
  [
    'config_path set',
    `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${CERTS}:/etc/docker/certs.d"\n`,
    undefined,
  ],
  ["Docker's package, which turns CRI off", 'disabled_plugins = ["cri"]\n\n#root = "/var/lib/containerd"\n', undefined],
];

for (const [title, before, after] of CONFIGS) {
  test(`config.toml: ${title}`, async (t) => {
    const planned = await plan(before === undefined ? {} : { [MAIN]: before });
    t.is(planned[MAIN], after);
    t.is(planned[`${CERTS}/docker.io/hosts.toml`], `server = "https://registry-1.docker.io"\n\n${ENTRY}`);
  });
}

test('hosts.toml files go where config_path says', async (t) => {
  const config = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/opt/certs"\n';
  t.deepEqual(Object.keys(await plan({ [MAIN]: config })), ['/opt/certs/docker.io/hosts.toml']);
});

test('config_path of an imported file counts', async (t) => {
  const files = {
    [MAIN]: 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
    '/etc/containerd/conf.d/x.toml': 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/opt/certs"\n',
  };
  t.deepEqual(Object.keys(await plan(files)), ['/opt/certs/docker.io/hosts.toml']);
});

const HOSTS: readonly (readonly [title: string, before: string, after: string])[] = [
  ['a server alone', 'server = "https://docker.io"\n', `server = "https://docker.io"\n\n${ENTRY}`],
  [
    'another mirror, which becomes the second',
    'server = "https://docker.io"\n\n[host."https://mirror.example"]\n  capabilities = ["pull"]\n',
    `server = "https://docker.io"\n\n${ENTRY}\n[host."https://mirror.example"]\n  capabilities = ["pull"]\n`,
  ],
  [
    'nested arrays before the first host',
    'client = [\n  ["a.cert", "a.key"]\n]\n[host."https://mirror.example".header]\n  x = "y"\n',
    `client = [\n  ["a.cert", "a.key"]\n]\n${ENTRY}\n[host."https://mirror.example".header]\n  x = "y"\n`,
  ],
  ['nothing', '', ENTRY],
  [
    'our host already, whatever it says',
    '[host."http://127.0.0.1:5050"]\n  capabilities = ["pull"]\n',
    '[host."http://127.0.0.1:5050"]\n  capabilities = ["pull"]\n',
  ],
];

for (const [title, before, after] of HOSTS) {
  test(`hosts.toml with ${title}`, async (t) => {
    const path = `${CERTS}/docker.io/hosts.toml`;
    const planned = await plan({ [path]: before });
    t.is(planned[path], after);
    t.is(Object.keys((parse(after)['host'] ?? {}) as object)[0], 'http://127.0.0.1:5050');
  });
}

test('certificates that containerd found in the folder without a hosts.toml are named in the new one', async (t) => {
  const folder = `${CERTS}/registry.example:5000`;
  const planned = await plan(
    { [`${folder}/ca.crt`]: '', [`${folder}/me.cert`]: '', [`${folder}/me.key`]: '', [`${folder}/odd.cert`]: '' },
    { registries: [PRIVATE] },
  );
  t.is(
    planned[`${folder}/hosts.toml`],
    `server = "https://registry.example:5000"\nca = ["ca.crt"]\nclient = [["me.cert", "me.key"]]\n\n${ENTRY}`,
  );
});

test('a folder that spells the port with underscores is the one that containerd reads first', async (t) => {
  const path = `${CERTS}/registry.example_5000_/hosts.toml`;
  t.is((await plan({ [path]: 'server = "https://x"\n' }, { registries: [PRIVATE] }))[path], `server = "https://x"\n\n${ENTRY}`);
});

test('every registry is _default, in which containerd fills in the server', async (t) => {
  t.is((await plan({}, { registries: [], everyRegistry: true }))[`${CERTS}/_default/hosts.toml`], ENTRY);
  t.deepEqual(Object.keys(await plan({ [MAIN]: CONFIGS[7]![1]! }, { registries: [HUB], everyRegistry: true })), [
    `${CERTS}/_default/hosts.toml`,
    `${CERTS}/docker.io/hosts.toml`,
  ]);
});

const REFUSED: readonly (readonly [title: string, files: Files, code: ErrorCode, message: RegExp])[] = [
  [
    'mirrors of the old form',
    { [MAIN]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n  endpoint = ["https://m"]\n' },
    'unsupported',
    /config\.toml sets .*\.registry\.mirrors, which containerd refuses beside config_path: move it/,
  ],
  [
    'TLS of the old form',
    { [MAIN]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.configs."r.example".tls]\n  insecure_skip_verify = true\n' },
    'unsupported',
    /configs\.….tls/,
  ],
  [
    'registries written inline',
    { [MAIN]: 'version = 2\nplugins = {"io.containerd.grpc.v1.cri" = {registry = {}}}\n' },
    'unsupported',
    /by hand/,
  ],
  ['what is not TOML', { [MAIN]: 'version = \n' }, 'config-invalid', /config\.toml \(line 1\): expected TOML/],
  [
    'hosts written inline',
    { [`${CERTS}/docker.io/hosts.toml`]: 'host = {"https://m" = {capabilities = ["pull"]}}\n' },
    'unsupported',
    /by hand/,
  ],
  [
    'a relative config_path',
    { [MAIN]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "certs"\n' },
    'config-invalid',
    /expected an absolute folder/,
  ],
];

for (const [title, files, code, message] of REFUSED) {
  test(`refuses ${title}, and says what to do`, async (t) => {
    t.is(errorCode(await t.throwsAsync(plan(files), { message })), code);
  });
}
