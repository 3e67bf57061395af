#!/usr/bin/env bash
# usage: debian-tree.sh OUT    as root
# Writes OUT/base.tar.gz (a minimal Debian), OUT/packages.tar.gz (python3 and git on top of it) and OUT/tools.tar
# (binutils on top of both): the layers of an image from real files, of 130 MB. Diff ids go beside them.
set -euo pipefail
out=$1
if [ "${2:-}" != inside ]; then
  # A mount namespace of its own: whatever happens, no mount is left.
  exec unshare --mount --propagation private bash "$0" "$out" inside
fi
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
suite=bookworm
tree=$(mktemp -d "$out/tree.XXXXXX")
trap 'rm -rf --one-file-system "$tree"' EXIT
mkdir "$tree/base" "$tree/merged"

mmdebstrap --variant=minbase --dpkgopt=force-unsafe-io "$suite" "$tree/base" "${SWARM_TEST_DEBIAN_MIRROR:-http://deb.debian.org/debian}"

# usage: install LAYER LOWER PACKAGE…    what the installation of the packages adds goes to the folder LAYER
install() {
  local layer=$1 lower=$2
  shift 2
  mkdir "$tree/$layer" "$tree/$layer.work"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$tree/$layer,workdir=$tree/$layer.work" "$tree/merged"
  mount -t proc proc "$tree/merged/proc"
  cp /etc/resolv.conf "$tree/merged/etc/resolv.conf"
  chroot "$tree/merged" apt-get -qq update
  chroot "$tree/merged" apt-get -qq install -y --no-install-recommends "$@"
  chroot "$tree/merged" apt-get clean
  rm -rf "$tree"/merged/var/lib/apt/lists/*
  umount "$tree/merged/proc" "$tree/merged"
}
install packages "$tree/base" python3 git
install tools "$tree/packages:$tree/base" binutils

# usage: layer NAME    the folder as OUT/NAME.tar, its digest beside it
layer() {
  tar -C "$tree/$1" --sort=name --numeric-owner -cf "$out/$1.tar" .
  sha256sum "$out/$1.tar" | cut -d' ' -f1 >"$out/$1.diffid"
}
for name in base packages tools; do layer "$name"; done
pigz -1n "$out/base.tar" "$out/packages.tar"
