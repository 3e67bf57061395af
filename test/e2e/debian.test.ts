import { cpSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'ava';
import { debianTree } from '../support/debian-disk.ts';
import { runOk } from '../support/process.ts';
import { release } from '../support/release.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

const TOOLS = ['root', 'mmdebstrap', 'dpkg-deb', 'apt-get', 'setcap', 'setfacl', 'setfattr'];

test('the Debian package has no errors for lintian, and its unit is hardened', async (t) => {
  if (!requireTool(t, ...TOOLS, 'lintian', 'systemd-analyze')) return;
  t.timeout(300_000);
  const { debian } = await release(t);
  const { stdout } = await runOk('lintian', ['--fail-on', 'error', '--allow-root', debian], { deadline: 280_000 });
  t.notRegex(stdout, /^E:/m);
  const dir = tempDir(t, 'unit');
  await runOk('dpkg-deb', ['-x', debian, dir]);
  // in tenths: 2.5
  await runOk('systemd-analyze', [
    'security',
    '--offline=yes',
    '--threshold=25',
    '--no-pager',
    join(dir, 'usr/lib/systemd/system/layerswarm.service'),
  ]);
});

test('on a Debian it installs, is the command, keeps a changed configuration in an upgrade, and purged leaves nothing', async (t) => {
  if (!requireTool(t, ...TOOLS)) return;
  t.timeout(300_000);
  const { debian } = await release(t);
  const root = join(tempDir(t, 'deb'), 'root');
  await runOk('cp', ['-a', '--reflink=auto', await debianTree(), root]);
  cpSync(debian, join(root, basename(debian)));
  // a mount namespace of its own: nothing stays mounted
  const inside = async (script: string): Promise<string> =>
    (
      await runOk(
        'unshare',
        [
          '--mount',
          '--propagation',
          'private',
          'sh',
          '-c',
          'mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh -ec "$1"',
          root,
          script,
        ],
        {
          env: {
            PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
            DEBIAN_FRONTEND: 'noninteractive',
            LC_ALL: 'C.UTF-8',
            NODE_COMPILE_CACHE: undefined,
          },
        },
      )
    ).stdout;
  const files =
    'find / -xdev ! -path "/proc/*" ! -path "/run/*" ! -path "/var/lib/dpkg/*" ! -path "/var/log/*" ! -path "/var/cache/*" ! -name "passwd*" ! -name "shadow*" ! -name "group*" ! -name "gshadow*" ! -name "subuid*" ! -name "subgid*" | sort';
  const before = await inside(files);
  await inside(`dpkg -i /${basename(debian)}`);
  t.regex(await inside('layerswarm version'), /^layerswarm /);
  t.is(await inside('cd /var/lib && install -d -o layerswarm layerswarm && layerswarm config --json | grep -c /var/lib/layerswarm'), '1\n');
  t.is(
    await inside(
      'layerswarm key /etc/layerswarm/swarm.key >/dev/null; layerswarm setup containerd --endpoint http://127.0.0.1:5050 >/dev/null; ls /etc/containerd/certs.d',
    ),
    'docker.io\n',
  );
  await inside(`sed -i "s/^zone: .*/zone: rack7/" /etc/layerswarm/layerswarm.yaml; dpkg -i /${basename(debian)}`);
  t.is(await inside('grep zone: /etc/layerswarm/layerswarm.yaml | tail -1'), 'zone: rack7\n');
  await inside('dpkg -r layerswarm');
  t.false(existsSync(join(root, 'etc/containerd')), 'the runtime is as it was before');
  t.true(existsSync(join(root, 'etc/layerswarm/swarm.key')));
  await inside('dpkg --purge layerswarm');
  t.is(await inside(files), before);
  t.is(await inside('getent passwd layerswarm || getent group layerswarm || echo gone'), 'gone\n');
});
