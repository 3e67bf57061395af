import test from 'ava';
import { type ErrorCode, errorCode } from '../../../src/errors.ts';
import { type RuntimeName } from '../../../src/setup/runtime-names.ts';
import { runtime } from '../../../src/setup/runtimes.ts';
import type { RegistryTarget } from '../../../src/setup/runtime.ts';
import { type Files, HUB, hostFiles, QUAY, target } from '../../support/setup-root.ts';

const K3S = '/etc/rancher/k3s/registries.yaml';
const BUILDKIT = '/etc/buildkit/buildkitd.toml';
const ENDPOINT = 'http://127.0.0.1:5050';
const HOSTS = `server = "https://registry-1.docker.io"\n\n# The node of layerswarm on this host; "layerswarm setup containerd --undo" takes it away.\n[host."${ENDPOINT}"]\n  capabilities = ["pull", "resolve"]\n`;

const ROWS: readonly (readonly [title: string, name: RuntimeName, before: Files, registries: readonly RegistryTarget[], after: Files])[] = [
  [
    'k3s without a file',
    'k3s',
    {},
    [HUB, QUAY],
    { [K3S]: `mirrors:\n  docker.io:\n    endpoint:\n      - ${ENDPOINT}\n  quay.io:\n    endpoint:\n      - ${ENDPOINT}\n` },
  ],
  [
    'k3s with mirrors of others, comments and logins, which stay',
    'k3s',
    {
      [K3S]:
        '# ours\nmirrors:\n  docker.io:\n    # the hub\n    endpoint:\n      - "https://m.example"\n  ghcr.io:\nconfigs:\n  r.example: { auth: { username: a } }\n',
    },
    [HUB],
    {
      [K3S]: `# ours\nmirrors:\n  docker.io:\n    # the hub\n    endpoint:\n      - ${ENDPOINT}\n      - "https://m.example"\n  ghcr.io:\nconfigs:\n  r.example: { auth: { username: a } }\n`,
    },
  ],
  [
    'k3s with a registry that has nothing',
    'k3s',
    { [K3S]: 'mirrors:\n  docker.io:\n' },
    [HUB],
    { [K3S]: `mirrors:\n  docker.io:\n    endpoint:\n      - ${ENDPOINT}\n` },
  ],
  [
    'k3s with our mirror already',
    'k3s',
    { [K3S]: `mirrors: {docker.io: {endpoint:   ["${ENDPOINT}"]}}\n` },
    [HUB],
    { [K3S]: `mirrors: {docker.io: {endpoint:   ["${ENDPOINT}"]}}\n` },
  ],
  [
    'RKE2, in a folder of its own',
    'rke2',
    {},
    [HUB],
    { '/etc/rancher/rke2/registries.yaml': `mirrors:\n  docker.io:\n    endpoint:\n      - ${ENDPOINT}\n` },
  ],
  [
    'BuildKit without a file',
    'buildkit',
    {},
    [HUB],
    { [BUILDKIT]: '[registry."docker.io"]\n  mirrors = ["127.0.0.1:5050"]\n\n[registry."127.0.0.1:5050"]\n  http = true\n' },
  ],
  [
    'BuildKit with mirrors of others',
    'buildkit',
    { [BUILDKIT]: 'debug = true\n[registry."docker.io"]\n  mirrors = ["m.example"]\n  insecure = true # sic\n' },
    [HUB, QUAY],
    {
      [BUILDKIT]:
        'debug = true\n[registry."docker.io"]\n  mirrors = ["127.0.0.1:5050", "m.example"]\n  insecure = true # sic\n\n[registry."quay.io"]\n  mirrors = ["127.0.0.1:5050"]\n\n[registry."127.0.0.1:5050"]\n  http = true\n',
    },
  ],
  [
    "nerdctl, for which containerd's own configuration stays",
    'nerdctl',
    { '/etc/containerd/config.toml': 'version = 2\n' },
    [HUB],
    { '/etc/containerd/certs.d/docker.io/hosts.toml': HOSTS },
  ],
  [
    'nerdctl with a folder of its own',
    'nerdctl',
    { '/etc/nerdctl/nerdctl.toml': 'hosts_dir = ["/opt/certs"]\n' },
    [HUB],
    { '/opt/certs/docker.io/hosts.toml': HOSTS },
  ],
];

for (const [title, name, before, registries, after] of ROWS) {
  test(`sets up ${title}`, async (t) => {
    const { files } = await runtime(name).plan(hostFiles(before), target({ registries }), '/etc');
    const written: Files = Object.fromEntries(files.map(({ path, content }) => [path, content]));
    t.deepEqual(written, after);
    const again = await runtime(name).plan(hostFiles({ ...before, ...written }), target({ registries }), '/etc');
    t.deepEqual(Object.fromEntries(again.files.map(({ path, content }) => [path, content])), written, 'a second time changes nothing');
  });
}

test("CRI-O has podman's drop-in, and is to be told", async (t) => {
  const [crio, podman] = [runtime('crio'), runtime('podman')];
  t.deepEqual(await crio.plan(hostFiles({}), target(), '/etc'), await podman.plan(hostFiles({}), target(), '/etc'));
  t.like(crio.reload, { kind: 'restart', command: 'systemctl reload crio' });
});

const REFUSED: readonly (readonly [title: string, name: RuntimeName, before: Files, code: ErrorCode, message: RegExp])[] = [
  ['a registries.yaml that is none', 'k3s', { [K3S]: 'mirrors: [\n' }, 'config-invalid', /registries\.yaml: expected a YAML map/],
  ['a registries.yaml with an alias of nothing', 'k3s', { [K3S]: 'mirrors: *none\n' }, 'config-invalid', /expected a YAML map/],
  ['a registries.yaml that is a list', 'k3s', { [K3S]: '- a\n' }, 'config-invalid', /expected a YAML map/],
  [
    'mirrors of BuildKit that are no list',
    'buildkit',
    { [BUILDKIT]: '[registry."docker.io"]\nmirrors = "m"\n' },
    'config-invalid',
    /expected a list of names/,
  ],
  [
    'a relative hosts_dir',
    'nerdctl',
    { '/etc/nerdctl/nerdctl.toml': 'hosts_dir = ["certs"]\n' },
    'config-invalid',
    /expected absolute folders/,
  ],
];
for (const [title, name, before, code, message] of REFUSED) {
  test(`refuses ${title}`, async (t) => {
    t.is(errorCode(await t.throwsAsync(runtime(name).plan(hostFiles(before), target(), '/etc'), { message })), code);
  });
}
