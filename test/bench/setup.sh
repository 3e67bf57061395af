#!/usr/bin/env bash
# Installs what the benchmarks run beside layerswarm, on top of what the tests need. As root.
set -euo pipefail
"$(dirname "$0")/../setup.sh"
missing=()
for pair in nginx:nginx-light aria2c:aria2 opentracker:opentracker mktorrent:mktorrent curl:curl; do
  PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ "${#missing[@]}" = 0 ] || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"; }
