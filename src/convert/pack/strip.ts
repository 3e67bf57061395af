/** What a container has no use for, or must not share; each is left out unless `--keep` names it. */
export const KEEPABLE = ['kernel', 'modules', 'firmware', 'caches', 'swap', 'ssh-host-keys', 'machine-id', 'cloud-init'] as const;
export type Keepable = (typeof KEEPABLE)[number];

/** Patterns of tar's `--exclude`, anchored at the root, in which `*` also matches slashes. */
const PATTERNS: Readonly<Record<Exclude<Keepable, 'swap'>, readonly string[]>> = {
  kernel: [
    './boot/vmlinuz*',
    './boot/vmlinux*',
    './boot/initrd*',
    './boot/initramfs*',
    './boot/System.map*',
    './boot/config-*',
    './boot/efi/*',
    './boot/grub*/*',
    './boot/loader/*',
    './boot/Image*',
    './boot/dtb*',
    './vmlinuz*',
    './initrd.img*',
  ],
  modules: ['./lib/modules/*', './usr/lib/modules/*'],
  firmware: ['./lib/firmware/*', './usr/lib/firmware/*'],
  caches: [
    './var/cache/apt/*.bin',
    './var/cache/apt/archives/*.deb',
    './var/lib/apt/lists/*',
    './var/cache/dnf/*',
    './var/cache/yum/*',
    './var/cache/zypp/*',
    './var/cache/pacman/pkg/*',
    './var/cache/apk/*',
    './var/cache/debconf/*-old',
  ],
  'ssh-host-keys': ['./etc/ssh/ssh_host_*'],
  'machine-id': ['./etc/machine-id', './var/lib/dbus/machine-id', './var/lib/systemd/random-seed', './var/lib/systemd/credential.secret'],
  'cloud-init': ['./var/lib/cloud/*', './run/cloud-init/*', './etc/netplan/50-cloud-init.yaml', './var/log/cloud-init*'],
};

/** Never of use: a mount point that only the journal's recovery writes, and file names that an overlay takes for whiteouts. */
export const ALWAYS_OUT = ['./lost+found'];
/** In any folder. OCI image specification, layer.md, "Whiteouts". */
export const WHITEOUT_PATTERN = '.wh.*';
export const WHITEOUT_NAME = /\/\.wh\./;

/** The patterns for what is not kept. */
export function stripPatterns(keep: ReadonlySet<Keepable>): string[] {
  return (Object.keys(PATTERNS) as (keyof typeof PATTERNS)[]).filter((what) => !keep.has(what)).flatMap((what) => PATTERNS[what]);
}

/** Patterns for the tree at `at`, which is packed by a tar of its own with names that begin there. */
export function patternsBelow(patterns: readonly string[], at: string): string[] {
  if (at === '/') return [...patterns];
  const start = `.${at}/`;
  return patterns.filter((pattern) => pattern.startsWith(start)).map((pattern) => `./${pattern.slice(start.length)}`);
}

/** A pattern that matches `path` and nothing else, but that a newline in it matches any character: tar reads one pattern a line. */
export function literalPattern(path: string): string {
  return path.replaceAll(/[*?[\\]/g, '\\$&').replaceAll('\n', '?');
}

/** What tar's matching of such patterns comes to: `*` matches anything, and whatever lies below a match is left out too. */
export function patternsToRegExp(patterns: readonly string[]): RegExp {
  const alternatives = patterns.map((pattern) =>
    pattern.replaceAll(/\\?[\s\S]/g, (part) => {
      if (part === '*') return '[^]*';
      if (part === '?') return '[^]';
      return (part.length === 2 ? part[1]! : part).replace(/[.+^${}()|[\]\\?*]/, '\\$&');
    }),
  );
  return new RegExp(alternatives.length === 0 ? '(?!)' : `^(?:${alternatives.join('|')})(?:/|$)`);
}
