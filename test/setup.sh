#!/usr/bin/env bash
# Installs the Debian packages that the tests run for real: only what is missing, and only as root or with
# password-less sudo. Elsewhere it says what to install and lets the tests go on; those that need it are skipped.
set -euo pipefail

# command, the package that brings it
tools='
dockerd            docker.io
docker             docker.io
containerd         containerd
ctr                containerd
runc               runc
skopeo             skopeo
podman             podman
docker-registry    docker-registry
promtool           prometheus
prometheus         prometheus
tmux               tmux
chromium           chromium
groff              groff-base
umoci              umoci
mmdebstrap         mmdebstrap
gpg                gpg
man                man-db
zsh                zsh
fish               fish
lintian            lintian
pigz               pigz
zstd               zstd
xz                 xz-utils
bzip2              bzip2
lz4                lz4
zip                zip
ip                 iproute2
tc                 iproute2
nsenter            util-linux
losetup            mount
git                git
openssl            openssl
qemu-img           qemu-utils
qemu-storage-daemon qemu-system-common
fuse2fs            fuse2fs
mkfs.ext4          e2fsprogs
mkfs.xfs           xfsprogs
mkfs.btrfs         btrfs-progs
mksquashfs         squashfs-tools
mkfs.erofs         erofs-utils
fusermount3        fuse3
setcap             libcap2-bin
setfacl            acl
setfattr           attr
guestmount         guestmount
pvcreate           lvm2
cryptsetup         cryptsetup-bin
sfdisk             fdisk
'

# Debian keeps daemons and file system tools where a plain user's PATH does not look.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

missing=$({
  while read -r tool package; do
    [ -z "$tool" ] || command -v "$tool" >/dev/null || echo "$package"
  done <<<"$tools"
  # A kernel for the virtual machine of libguestfs: a container has none.
  ls /boot/vmlinuz* >/dev/null 2>&1 || echo "linux-image-cloud-$(dpkg --print-architecture 2>/dev/null || echo amd64)"
} | sort -u | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "test/setup.sh: no apt-get here; install what brings these Debian packages' programs: $missing" >&2
  exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "test/setup.sh: some tests will be skipped; to run them: sudo apt-get install $missing" >&2
    exit 0
  fi
  sudo='sudo -n'
fi

echo "test/setup.sh: installing $missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# $missing is a list and $sudo may be empty: both are meant to be split.
# shellcheck disable=SC2086
if ! { $sudo apt-get update -qq &&
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "test/setup.sh: the installation failed; tests that need these are skipped: $missing" >&2
fi
