#!/usr/bin/env bash
# usage: debian-disk.sh OUT [PACKAGE…]    as root
# Writes the root tree of a small Debian with systemd, and more packages, to OUT.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
out=$1
shift
tree=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf --one-file-system "$tree"' EXIT
# Mounts /proc and /sys in the tree: in a mount namespace of its own none of it is left.
unshare --mount --propagation private mmdebstrap --variant=minbase --dpkgopt=force-unsafe-io \
  --include="$(IFS=,; echo "systemd,systemd-sysv,dbus,libcap2-bin,acl,attr,procps,openssh-server,ifupdown${*:+,$*}")" \
  bookworm "$tree" "${SWARM_TEST_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
chmod 755 "$tree"
mv -T "$tree" "$out"
