import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cleanup } from './cleanup.ts';
import { DESCRIBE } from './conversion.ts';
import { inMounted, makeDisk, makeFileSystem, toFormat } from './disk-image.ts';
import { runOk } from './process.ts';

const TREE = fileURLToPath(new URL('../.cache/debian-systemd-2', import.meta.url));
const UUID = '0f0f0f0f-1111-2222-3333-444444444444';

/** The root of a small Debian with systemd, made once and kept (root). */
export async function debianTree(): Promise<string> {
  if (!existsSync(TREE)) {
    mkdirSync(dirname(TREE), { recursive: true });
    await runOk('bash', [fileURLToPath(new URL('debian-disk.sh', import.meta.url)), TREE], { deadline: 600_000 });
  }
  return TREE;
}

export interface DebianDisk {
  readonly disk: string;
  /** What `DESCRIBE` says of its /odd. */
  readonly odd: string;
}

/** A qcow2 with a Debian that systemd starts, as an installer would have left it, and some odd things in /odd (root). */
export async function debianDisk(cleanup: Cleanup): Promise<DebianDisk> {
  const image = await makeFileSystem(cleanup, await debianTree(), { sizeMiB: 700, uuid: UUID });
  await inMounted(image, 'ext4', ODD_THINGS, [UUID]);
  const odd = await inMounted(image, 'ext4', `cd odd; ${DESCRIBE}`, [], 'loop,ro');
  const disk = await makeDisk(cleanup, [{ image, sizeMiB: 700, type: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709' }]);
  return { disk: await toFormat(cleanup, disk, 'qcow2', [], 'debian.qcow2'), odd };
}

const ODD_THINGS = String.raw`
printf 'UUID=%s / ext4 errors=remount-ro 0 1\n/dev/sda9 none swap sw 0 0\n' "$1" > etc/fstab
echo 0123456789abcdef0123456789abcdef > etc/machine-id; mkdir -p etc/ssh boot; echo secret > etc/ssh/ssh_host_rsa_key; printf 'auto ens3\niface ens3 inet dhcp\n' > etc/network/interfaces; echo kernel > boot/vmlinuz-6.1.0; ln -s /dev/vda1 dev/root
mkdir odd; cd odd; cp ../bin/dash setuid; chmod 4755 setuid; cp ../bin/dash setgid; chmod 2755 setgid; mkdir sticky private; chmod 1777 sticky; chmod 700 private
cp ../bin/dash capable; setcap cap_net_raw+ep capable; echo acl > acl; setfacl -m u:1000:rw,g:2000:r acl; mkdir default; setfacl -d -m u:1000:rwx default; echo x > attribute; setfattr -n user.note -v note attribute
echo linked > link1; ln link1 link2; ln link1 private/link3; ln -s ../../../../etc/shadow up; echo big > bigid; chown 4000000000:4000000001 bigid
printf x > "$(printf '\377latin')"; printf x > "$(printf 'new\nline')"; printf x > -dash; long=$(printf 'n%.0s' $(seq 200)); mkdir -p "$long/$long"; printf x > "$long/$long/$long"
`;
