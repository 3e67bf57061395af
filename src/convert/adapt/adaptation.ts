import type { Stats } from 'node:fs';
import type { GuestTree } from '../root/guest-tree.ts';

/** An entry of the layer that goes on top of the system. */
export type LayerEntry =
  | {
      readonly type: 'directory';
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly mtime: number;
    }
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly content: string }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string };

/** Units that wait for, or fight over, what belongs to the host: devices, kernel settings, terminals, mounts, the network. */
const MASKED_UNITS = [
  'systemd-remount-fs.service',
  'tmp.mount',
  'dev-hugepages.mount',
  'dev-mqueue.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'sys-fs-fuse-connections.mount',
  'proc-sys-fs-binfmt_misc.automount',
  'proc-sys-fs-binfmt_misc.mount',
  'systemd-udevd.service',
  'systemd-udevd-control.socket',
  'systemd-udevd-kernel.socket',
  'systemd-udev-trigger.service',
  'systemd-udev-settle.service',
  'systemd-modules-load.service',
  'systemd-firstboot.service',
  'systemd-machine-id-commit.service',
  'systemd-random-seed.service',
  'systemd-hwdb-update.service',
  'getty.target',
  'getty@.service',
  'getty-static.service',
  'console-getty.service',
  'serial-getty@.service',
  'container-getty@.service',
  'autovt@.service',
  'systemd-logind.service',
  'systemd-networkd-wait-online.service',
  'NetworkManager-wait-online.service',
  'grub-common.service',
  'grub2-systemd-integration.service',
  'e2scrub_reap.service',
  'kdump.service',
  'kdump-tools.service',
  'lvm2-monitor.service',
  'lvm2-lvmpolld.socket',
  'multipathd.service',
  'networking.service',
  'ifup@.service',
  'systemd-networkd.service',
  'systemd-networkd.socket',
  'NetworkManager.service',
  'wicked.service',
  'wickedd.service',
  'dhcpcd.service',
  'fstrim.timer',
  'smartd.service',
  'smartmontools.service',
  'irqbalance.service',
  'thermald.service',
  'apparmor.service',
  'auditd.service',
] as const;

/** What no two machines may share and an image therefore does not have: made once, when the container first starts, before anything answers. */
const FIRST_START = 'layerswarm-first-start.service';
const FIRST_START_UNIT = `[Unit]
Description=Make the keys of this container
Before=ssh.service sshd.service ssh.socket sshd.socket sshd-keygen.target
ConditionPathIsReadWrite=/etc

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'test ! -d /etc/ssh || ! command -v ssh-keygen >/dev/null || ssh-keygen -A'
ExecStart=/bin/sh -c 'test -s /var/lib/systemd/random-seed || { umask 077; mkdir -p /var/lib/systemd; head -c 512 /dev/urandom >/var/lib/systemd/random-seed; }'

[Install]
WantedBy=multi-user.target
`;

/** systemctl asks logind first, which is masked, and complains before it does what it is told. */
const ENDINGS = { reboot: 'reboot.target', poweroff: 'poweroff.target', halt: 'halt.target' } as const;

const SYSTEMD = ['/lib/systemd/systemd', '/usr/lib/systemd/systemd'];

export function usesSystemd(tree: GuestTree): boolean {
  return SYSTEMD.some((path) => tree.isFile(path));
}

/**
 * What lets the system come up as PID 1 of a container: no file systems to mount, a machine id and keys that are made at the first start, a
 * journal in memory, and the units masked that need hardware. Every folder on the way is repeated with the guest's own mode and owner, since a layer
 * that leaves it out turns a 0700 folder into 0755.
 */
export function adaptationEntries(tree: GuestTree, keepMachineId: boolean): LayerEntry[] {
  const entries = new Map<string, LayerEntry>();
  const add = (path: string, make: (path: string) => LayerEntry): void => {
    const [, folder, name] = /^(.*)\/([^/]+)$/.exec(path)! as unknown as [string, string, string];
    const parent = addFolders(tree, folder, entries);
    if (parent !== undefined) entries.set(`${parent}/${name}`, make(`${parent}/${name}`));
  };
  const file = (path: string, content: string, mode = 0o644): void => {
    add(path, (path) => ({ type: 'file', path, mode, content }));
  };

  file('/etc/fstab', '# Mounts belong to the container runtime.\n');
  if (usesSystemd(tree)) {
    // cloud-init would look for a cloud, for minutes, and then make what is made here.
    if (tree.isDirectory('/etc/cloud')) file('/etc/cloud/cloud-init.disabled', '');
    if (!keepMachineId) file('/etc/machine-id', '', 0o444);
    file('/etc/systemd/journald.conf.d/50-container.conf', '[Journal]\nStorage=volatile\n');
    file(`/etc/systemd/system/${FIRST_START}`, FIRST_START_UNIT);
    add(`/etc/systemd/system/multi-user.target.wants/${FIRST_START}`, (path) => ({ type: 'symlink', path, target: `../${FIRST_START}` }));
    for (const [name, target] of Object.entries(ENDINGS)) {
      const path = `/usr/local/sbin/${name}`;
      if (tree.resolve(path)?.stat === undefined)
        file(path, `#!/bin/sh\nexec systemctl start ${target} --job-mode=replace-irreversibly --no-block\n`, 0o755);
    }
    for (const unit of MASKED_UNITS) add(`/etc/systemd/system/${unit}`, (path) => ({ type: 'symlink', path, target: '/dev/null' }));
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The folder's path without links, with entries for it and every folder above; undefined where something else is in the way. */
function addFolders(tree: GuestTree, path: string, entries: Map<string, LayerEntry>): string | undefined {
  if (path === '') {
    // A layer need not have an entry for the root, and the system layer has.
    return '';
  }
  const [, above, name] = /^(.*)\/([^/]+)$/.exec(path)! as unknown as [string, string, string];
  const parent = addFolders(tree, above, entries);
  if (parent === undefined) return undefined;
  // Below a folder that is made here there is nothing of the guest's.
  const isNew = parent !== '' && tree.resolve(parent)?.stat === undefined;
  const resolved = isNew ? { path: `${parent}/${name}`, stat: undefined } : tree.resolve(`${parent}/${name}`);
  if (resolved === undefined || (resolved.stat !== undefined && !resolved.stat.isDirectory())) return undefined;
  if (resolved.path !== `${parent}/${name}`) return addFolders(tree, resolved.path === '/' ? '' : resolved.path, entries);
  entries.set(resolved.path, directoryEntry(resolved.path, resolved.stat));
  return resolved.path;
}

function directoryEntry(path: string, stat: Stats | undefined): LayerEntry {
  if (stat === undefined) return { type: 'directory', path, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
  return {
    type: 'directory',
    path,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtime: Math.max(0, Math.floor(stat.mtimeMs / 1000)),
  };
}
