import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

const SUITE = 'bookworm';
/** What the program needs of a system: the C and C++ libraries, a shell with its tools, certificates. */
const PACKAGES = [
  'base-files',
  'ca-certificates',
  'coreutils',
  'dash',
  'libacl1',
  'libattr1',
  'libc6',
  'libgcc-s1',
  'libgmp10',
  'libpcre2-8-0',
  'libselinux1',
  'libstdc++6',
  'netbase',
];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const UNUSED = [
  'usr/share/man',
  'usr/share/info',
  'usr/share/locale',
  'usr/share/lintian',
  'usr/share/bash-completion',
  'usr/share/bug',
  'usr/share/common-licenses',
  'usr/share/menu',
  'usr/lib/*/gconv',
  'usr/lib/*/audit',
  'usr/share/gdb',
];
export const USER = 65532;

/**
 * The files of a small Debian of any architecture, without running anything of it: packages that apt has checked against the
 * archive's keys, unpacked.
 * @param architecture Debian's name of it
 */
export async function debianBase(architecture: string, target: string, work: string): Promise<void> {
  const packages = await download(architecture, join(work, `apt-${architecture}`));
  mkdirSync(join(target, 'usr/lib'), { recursive: true });
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    mkdirSync(join(target, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(target, name));
  }
  for (const file of packages)
    await run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar --keep-directory-symlink --no-same-owner -xf - -C "$1"', file, target]);
  await run('sh', [
    '-c',
    `cd "$0" && rm -rf ${UNUSED.join(' ')} && cat usr/share/ca-certificates/*/*.crt >etc/ssl/certs/ca-certificates.crt`,
    target,
  ]);
  writeFileSync(
    join(target, 'etc/passwd'),
    `root:x:0:0:root:/root:/bin/sh\nlayerswarm:x:${USER}:${USER}:layerswarm:/var/lib/layerswarm:/bin/sh\n`,
  );
  writeFileSync(join(target, 'etc/group'), `root:x:0:\nlayerswarm:x:${USER}:\n`);
}

/** apt with folders of its own: neither the architecture nor the suite of this machine matters. */
async function download(architecture: string, folder: string): Promise<string[]> {
  for (const part of ['lists/partial', 'archives/partial', 'etc/preferences.d', 'packages'])
    mkdirSync(join(folder, part), { recursive: true });
  const mirror = process.env['DEBIAN_MIRROR'] ?? 'http://deb.debian.org/debian';
  writeFileSync(join(folder, 'etc/sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`);
  writeFileSync(join(folder, 'status'), '');
  const options = [
    `Dir::State=${folder}`,
    `Dir::State::status=${join(folder, 'status')}`,
    `Dir::State::lists=${join(folder, 'lists')}`,
    `Dir::Cache=${folder}`,
    `Dir::Cache::archives=${join(folder, 'archives')}`,
    `Dir::Etc::sourcelist=${join(folder, 'etc/sources.list')}`,
    `Dir::Etc::sourceparts=${join(folder, 'etc/none')}`,
    `Dir::Etc::preferences=${join(folder, 'etc/none')}`,
    `Dir::Etc::preferencesparts=${join(folder, 'etc/preferences.d')}`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::PDiffs=false',
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, '-qq', 'update']);
  await run('apt-get', [...options, '-qq', 'download', ...PACKAGES], { cwd: join(folder, 'packages') });
  const files = readdirSync(join(folder, 'packages'))
    .sort()
    .map((name) => join(folder, 'packages', name));
  if (files.length !== PACKAGES.length) throw new Error(`expected ${PACKAGES.length} packages, apt-get downloaded ${files.length}`);
  rmSync(join(folder, 'lists'), { recursive: true });
  return files;
}
