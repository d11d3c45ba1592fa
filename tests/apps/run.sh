#!/bin/bash
# run.sh: real applications from Debian's packages, built and used with bin/dhow as each kind of user.
# `make apps` calls it; it is no part of `make test`: it takes a package mirror and a quarter of an hour.
#
#   tests/apps/run.sh [KIND…] [-- APP…]   e.g. run.sh single -- postgres
#
# As root it installs what it needs and tries every kind; a user tries the own kind. The mirror is the one that
# apt on this machine uses. Everything lies in a directory of its own and is removed at the end.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
need=(debootstrap tmux postgresql-client curl git openssh-client iproute2)

kinds=() apps=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do kinds+=("$1"); shift; done
[ $# = 0 ] || { shift; apps=("$@"); }
[ ${#apps[@]} -gt 0 ] || for f in "$here"/app_*.sh; do f=${f##*/app_}; apps+=("${f%.sh}"); done

die() { echo "apps: $*" >&2; exit 1; }
[ -x "$top/bin/dhow" ] || die "bin/dhow is missing: make apps builds it"

missing=()
for p in "${need[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || die "missing; install with: sudo apt-get install -y --no-install-recommends ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# sources prints where apt of this machine finds Debian, one line for each suite.
sources() {
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sort -u
}
[ -n "$(sources)" ] || { [ "$(id -u)" = 0 ] && apt-get update -qq; }
[ -n "$(sources)" ] || die "apt on this machine knows no mirror of Debian: apt-get update"
suite=$(. /etc/os-release; echo "$VERSION_CODENAME")

# The base image's filesystem is made once and kept in .cache.
base=$top/.cache/apps-debian-$suite.tar
if [ ! -s "$base" ]; then
  [ "$(id -u)" = 0 ] || die "making the base takes root: run this once as root, or put a tar of Debian at $base"
  mirror=$(sources | awk -v s="$suite" '$3 == s { print $2; exit }')
  root=$(mktemp -d /var/tmp/dhow-apps-base.XXXXXX)
  chmod 755 "$root" # it becomes the image's /
  echo "apps: making Debian $suite (once)"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail "$root.log"; rm -rf "$root" "$root.log"; exit 1; }
  mkdir -p "$top/.cache"
  # Neither the mirror's name nor its lists belong into an image.
  tar -C "$root" --numeric-owner --exclude='./dev/*' --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*.log' \
    --exclude=./etc/apt/sources.list --exclude=./etc/resolv.conf --exclude=./etc/hostname -cf "$base.new" .
  mv "$base.new" "$base"
  rm -rf "$root" "$root.log"
fi

work=$(mktemp -d /var/tmp/dhow-apps.XXXXXX)
chmod 755 "$work"
child=
# At the end, and when it is interrupted.
tidy() {
  if [ -n "$child" ] && kill "$child" 2>/dev/null; then wait "$child" || true; fi
  for home in "$work"/home-*; do
    [ -d "$home" ] || continue
    (as "${home##*-}" "$work/apps/end.sh") || true
  done
  rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT TERM
mkdir "$work/bin" "$work/apps"
cp "$top/bin/dhow" "$work/bin/"
cp -r "$here/." "$work/apps/"
cp "$base" "$work/base.tar"
sources >"$work/sources.list"
cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$work/ca.crt"
chmod -R a+rX "$work"

# account KIND: the user of that kind, made when it is missing. The tests' own, see tests/scripts_test.go.
account() {
  local name=dhow-$1 file
  getent passwd "$name" >/dev/null || useradd -m -s /bin/sh -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 "$name"
  if [ "$1" = subids ]; then
    for file in uid gid; do
      grep -q "^$name:" /etc/sub$file || usermod --add-sub${file}s 3000000-3065535 "$name"
    done
  fi
  echo "$name"
}

# as KIND COMMAND…: becomes it (in a subshell), as the user of that kind with an environment of its own.
as() {
  local kind=$1 name=root
  shift
  local vars=(HOME="$work/home-$kind" PATH="$work/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 TERM=xterm
    XDG_DATA_HOME="$work/home-$kind/data" DHOW_DATA="$work" KIND="$kind" SHELL=/bin/bash) v
  for v in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!v:-}" ] || vars+=("$v=${!v}")
  done
  cd "$work/home-$kind" || exit
  if [ "$(id -u)" != 0 ] || [ "$kind" = root ]; then
    exec env -i "${vars[@]}" "$@"
  else
    name=$(account "$kind")
    exec setpriv --reuid "$name" --regid "$(id -g "$name")" --init-groups env -i USER="$name" LOGNAME="$name" "${vars[@]}" "$@"
  fi
}

if [ "$(id -u)" = 0 ]; then
  [ ${#kinds[@]} -gt 0 ] || kinds=(root subids single)
else
  kinds=(own)
fi
failed=0 passed=0
for kind in "${kinds[@]}"; do
  home=$work/home-$kind
  mkdir -m 700 "$home"
  [ "$(id -u)" != 0 ] || [ "$kind" = root ] || chown "$(account "$kind"):" "$home"
  for app in "${apps[@]}"; do
    start=$SECONDS
    echo "== $app as $kind"
    rc=0
    as "$kind" timeout -k 10 900 "$work/apps/app_$app.sh" >"$work/log" 2>&1 </dev/null &
    child=$!
    wait "$child" || rc=$?
    child=
    grep -E '^  (ok|FAIL|     )' "$work/log" || true
    p=$(grep -c '^  ok ' "$work/log" || true) f=$(grep -c '^  FAIL' "$work/log" || true)
    if [ $rc != 0 ] && [ "$f" = 0 ]; then
      f=1
      echo "  FAIL $app ended early ($rc)"
      tail -20 "$work/log"
    fi
    passed=$((passed + p)) failed=$((failed + f))
    echo "   $((SECONDS - start)) s"
  done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
