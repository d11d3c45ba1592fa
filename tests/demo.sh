#!/bin/sh
# demo.sh: the main job on real input, as the calling user: a base image made on the spot, a
# multi-stage Dockerfile built on it, and the result run. `make demo` calls it with bin/dhow and
# bin/userland built. Everything lies in a directory of its own and is removed at the end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
PATH=$top/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/var/tmp}/dhow-demo.XXXXXX")
HOME=${HOME:-$work}
XDG_DATA_HOME=$work/data
export PATH HOME XDG_DATA_HOME
tidy() { rm -rf "$work" 2>/dev/null || dhow unshare rm -rf "$work"; }
trap tidy EXIT
trap 'exit 130' INT TERM

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
show() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; }
say() { show "$@"; "$@"; }

"$top/bin/mkbase" "$top/bin/userland" >"$work/base.tar"
say dhow import -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' -c 'CMD ["sh"]' "$work/base.tar" dhow-demo/base
say dhow build -t dhow-demo/greet --build-arg VERSION=1.0 "$here/demo"
say dhow images
say dhow run --rm dhow-demo/greet
say dhow build -q -t dhow-demo/greet --build-arg VERSION=1.0 "$here/demo"
show 'echo data | dhow run -i --rm --entrypoint wc dhow-demo/greet -c'
n=$(echo data | dhow run -i --rm --entrypoint wc dhow-demo/greet -c)
echo "$n"
[ "$n" = 5 ] || { echo "demo: want 5" >&2; exit 1; }
printf '\nThe demo passed: built and ran as %s, mapping: %s\n' "$(id -un 2>/dev/null || id -u)" "$(dhow info --format '{{.Mapping.Kind}}')"
