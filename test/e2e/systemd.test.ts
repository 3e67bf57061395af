import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { smallImage } from '../support/images.ts';
import { TestNetwork } from '../support/netns.ts';
import { release } from '../support/release.ts';
import { requireTool } from '../support/require-tool.ts';
import { bootSystem, type SystemHost } from '../support/system-host.ts';
import { waitFor } from '../support/wait-for.ts';

const TOOLS = [
  'root',
  'ip',
  'nsenter',
  'docker-registry',
  'skopeo',
  'runc',
  'mmdebstrap',
  'capsh',
  'containerd',
  'ctr',
  'dpkg-deb',
  'apt-get',
];
const CONTAINERD = ['/usr/bin/containerd', '/usr/bin/ctr'];

interface Seen {
  readonly origin: { readonly state: string };
  readonly peers: readonly object[];
  readonly traffic: { readonly fromPeersBytes: number };
  readonly images: readonly { readonly complete: boolean }[];
}

const seen = async ({ ok }: SystemHost): Promise<Seen> => JSON.parse(await ok('layerswarm status --json')) as Seen;
const pull = (image: string): string => `ctr images pull --snapshotter native --hosts-dir /etc/containerd/certs.d ${image}`;
/** What is on its disk, but for what other programs write there, such as Debian's own backup at midnight. */
const FILES =
  'find / -xdev ! -path "/var/lib/dpkg/*" ! -path "/var/log/*" ! -path "/var/cache/*" ! -path "/var/backups/*" ! -path "/var/lib/systemd/*" ! -path "/var/lib/containerd*" ! -path "/opt/*" ! -name "passwd*" ! -name "shadow*" ! -name "group*" ! -name "gshadow*" ! -name "subuid*" ! -name "subgid*" | sort';

test('two empty Debian hosts: install, join, pull through the swarm, watchdog, upgrade; and purged nothing is left', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(600_000);
  const network = await TestNetwork.create(t);
  const place = await network.addHost('registry');
  const registry = await startDockerRegistry(t, { host: place.address, port: 5000, netns: place.netns });
  await place.runOk('skopeo', [
    '--insecure-policy',
    'copy',
    '--quiet',
    '--dest-tls-verify=false',
    `oci:${(await smallImage(t)).dir}:v1`,
    `docker://${registry.host}/team/app:v1`,
  ]);
  const image = `${registry.host}/team/app:v1`;
  const { debian } = await release(t);
  const [first, second] = (await Promise.all(
    ['first', 'second'].map(async (name) => {
      const system = await bootSystem(t, await network.addHost(name), CONTAINERD);
      await system.ok('systemd-run --quiet --unit containerd /usr/bin/containerd');
      // what it makes at its start is there before anything is compared
      await waitFor('containerd', async () => (await system.sh('ctr version')).code === 0);
      cpSync(debian, join(system.root, 'opt/layerswarm.deb'));
      return system;
    }),
  )) as [SystemHost, SystemHost];
  const before = await second.ok(FILES);

  // as docs/operations.md has it
  const firstBegin = performance.now();
  await first.ok('dpkg --install /opt/layerswarm.deb >/dev/null');
  await first.ok('layerswarm key /etc/layerswarm/swarm.key && chown layerswarm: /etc/layerswarm/swarm.key');
  await first.ok(
    `sed -i 's|^swarmKey: .*|swarmKey: [/etc/layerswarm/swarm.key]|; s|^origin: .*|origin: ${registry.url}|' /etc/layerswarm/layerswarm.yaml`,
  );
  await first.ok('systemctl restart layerswarm && layerswarm setup containerd');
  await first.ok(pull(image));
  const firstSeconds = (performance.now() - firstBegin) / 1000;
  t.true((await seen(first)).images[0]?.complete);

  const secondBegin = performance.now();
  await second.ok('dpkg --install /opt/layerswarm.deb >/dev/null');
  await second.ok('layerswarm join -', { input: await first.ok('layerswarm token') });
  await second.ok('layerswarm setup containerd');
  await second.ok(pull(image));
  t.log(
    `from nothing to the first pull: ${firstSeconds.toFixed(1)} s on the first host, ${((performance.now() - secondBegin) / 1000).toFixed(1)} s on the second`,
  );
  t.true((await seen(second)).traffic.fromPeersBytes > 0);

  const unit = await second.ok('systemctl show --property Type,SubState,NRestarts,User layerswarm');
  for (const line of ['Type=notify', 'SubState=running', 'NRestarts=0', 'User=layerswarm']) t.true(unit.split('\n').includes(line), unit);
  await second.ok('systemd-analyze security --threshold=25 --no-pager layerswarm.service >/dev/null');

  // a process that turns no more is started again
  await second.ok(
    'mkdir -p /run/systemd/system/layerswarm.service.d && printf "[Service]\\nWatchdogSec=5s\\n" >/run/systemd/system/layerswarm.service.d/watch.conf && systemctl daemon-reload && systemctl restart layerswarm',
  );
  await second.ok('systemctl kill --kill-whom=main --signal=STOP layerswarm');
  await waitFor('a second life', async () => (await second.ok('systemctl show --property NRestarts --value layerswarm')).trim() === '1');
  await waitFor('it to be in again', async () => (await seen(second)).peers.length === 1);

  const pid = await second.ok('systemctl show --property MainPID --value layerswarm');
  await second.ok('dpkg --install /opt/layerswarm.deb >/dev/null');
  t.not(await second.ok('systemctl show --property MainPID --value layerswarm'), pid, 'the new one runs');
  await waitFor('it to be a member with what it had', async () => {
    const { peers, origin, images } = await seen(second);
    return peers.length === 1 && origin.state === 'ok' && images[0]?.complete;
  });

  await second.ok('dpkg --remove layerswarm >/dev/null 2>&1');
  t.is((await second.sh('systemctl is-active layerswarm')).stdout, 'inactive\n');
  t.false(existsSync(join(second.root, 'etc/containerd')), 'the runtime is as it was before');
  await second.ok(`ctr images pull --snapshotter native --plain-http ${image}`);
  await second.ok('rm -r /run/systemd/system/layerswarm.service.d; dpkg --purge layerswarm >/dev/null 2>&1');
  t.is(await second.ok(FILES), before);
  t.is(
    await second.ok('getent passwd layerswarm || getent group layerswarm || systemctl list-unit-files --no-legend "layerswarm*" || true'),
    '',
  );
});
