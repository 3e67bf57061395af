import { chmodSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { version } from '../../src/version.ts';
import type { Machine } from './node-runtime.ts';
import { run } from './run.ts';

const ARCHITECTURE: Readonly<Record<Machine, string>> = { x64: 'amd64', arm64: 'arm64' };

/** As for other Debian tools: who makes the package. */
const MAINTAINER = `${process.env['DEBFULLNAME'] ?? 'layerswarm'} <${process.env['DEBEMAIL'] ?? 'nobody@layerswarm.invalid'}>`;

export interface Target {
  readonly machine: Machine;
  /** For what is made on the way. */
  readonly work: string;
  readonly output: string;
  readonly date: Date;
}

/** `layerswarm_VERSION_amd64.deb`, made of the tree of the archive. */
export async function writeDebianPackage(root: string, tree: string, { machine, work, output, date }: Target): Promise<void> {
  const architecture = ARCHITECTURE[machine];
  const files = join(work, `debian-${architecture}`);
  mkdirSync(join(files, 'usr/bin'), { recursive: true });
  cpSync(join(tree, 'lib'), join(files, 'usr/lib'), { recursive: true, verbatimSymlinks: true });
  symlinkSync('../lib/layerswarm/src/cli/layerswarm.sh', join(files, 'usr/bin/layerswarm'));
  cpSync(join(tree, 'share'), join(files, 'usr/share'), { recursive: true });
  await run('gzip', ['-9n', join(files, 'usr/share/man/man1/layerswarm.1')]);

  const debian = join(root, 'config/debian');
  const place = (content: string, path: string, mode = 0o644): void => {
    mkdirSync(dirname(join(files, path)), { recursive: true });
    writeFileSync(join(files, path), content);
    chmodSync(join(files, path), mode);
  };
  place(readFileSync(join(root, 'config/systemd/layerswarm.service'), 'utf8'), 'usr/lib/systemd/system/layerswarm.service');
  place(packagedConfiguration(readFileSync(join(root, 'config/layerswarm.yaml'), 'utf8')), 'etc/layerswarm/layerswarm.yaml');
  place(readFileSync(join(debian, 'copyright'), 'utf8'), 'usr/share/doc/layerswarm/copyright');
  place(readFileSync(join(debian, 'lintian-overrides'), 'utf8'), 'usr/share/lintian/overrides/layerswarm');
  place(
    `layerswarm (${version}) stable; urgency=medium\n\n  * See CHANGELOG.md in /usr/lib/layerswarm.\n\n -- ${MAINTAINER}  ${debianDate(date)}\n`,
    'usr/share/doc/layerswarm/changelog',
  );
  await run('gzip', ['-9n', join(files, 'usr/share/doc/layerswarm/changelog')]);
  // in a package licences are in its copyright file
  rmSync(join(files, 'usr/lib/layerswarm/LICENSE'), { force: true });

  const size = Number((await run('du', ['-sk', '--apparent-size', files])).split('\t')[0]);
  for (const script of ['postinst', 'prerm', 'postrm']) place(readFileSync(join(debian, script), 'utf8'), `DEBIAN/${script}`, 0o755);
  place('/etc/layerswarm/layerswarm.yaml\n', 'DEBIAN/conffiles');
  place(control(architecture, size), 'DEBIAN/control');
  await run('sh', [
    '-c',
    'cd "$0" && find . -type f ! -path "./DEBIAN/*" -printf "%P\\0" | sort -z | xargs -0 md5sum >DEBIAN/md5sums',
    files,
  ]);
  await run('chmod', ['-R', 'u=rwX,go=rX', files]);
  const name = `layerswarm_${version}_${architecture}.deb`;
  await run('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z6', '--build', files, join(work, name)], {
    env: { SOURCE_DATE_EPOCH: String(date.getTime() / 1000) },
  });
  renameSync(join(work, name), join(output, name));
  rmSync(files, { recursive: true });
}

/** The default of an agent that is not root would be in its home. */
function packagedConfiguration(example: string): string {
  const text = example.replace(/^# data:$/m, 'data: /var/lib/layerswarm');
  if (text === example) throw new Error('config/layerswarm.yaml: expected a line "# data:"');
  return text.replace(/^# yaml-language-server: .*$/m, '# yaml-language-server: $schema=/usr/lib/layerswarm/config/schema.json');
}

function control(architecture: string, size: number): string {
  return `Package: layerswarm
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${size}
Depends: adduser, libc6 (>= 2.28), libgcc-s1, libstdc++6
Recommends: ca-certificates
Suggests: containerd | docker.io | podman, qemu-utils, qemu-system-common, fuse2fs, zstd
Section: admin
Priority: optional
Description: peer-to-peer distribution of container image layers
 Each host of a cluster runs one node. It fetches the layers that it misses
 from many hosts at once, in pieces, while it serves those that it has, so
 that a thousand hosts which start the same image read it from the registry
 once. containerd, dockerd and podman pull through it under unchanged names.
`;
}

/** RFC 5322, as changelogs have it. */
function debianDate(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}
