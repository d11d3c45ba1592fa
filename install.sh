#!/bin/sh
# install.sh: puts dhow, its completions and its man pages below a prefix. See --help.
set -eu

usage() {
	cat <<'USAGE'
Example:
  ./install.sh                               build here, install for you (root: for everybody)
  ./install.sh --tarball dhow-linux-amd64.tar.gz --checksum 9f86d0…
  ./install.sh --uninstall

Installs dhow, or upgrades it in place: a command that is running keeps its version.

  --prefix DIR      below which to install (default: ~/.local, as root /usr/local)
  --binary FILE     install this binary instead of building one
  --tarball FILE    install the binary of this release; may be an https:// address
  --checksum HEX    sha256 of the tarball; required with --tarball
  --uninstall       remove what was installed; images and containers stay
  -h, --help        this text
USAGE
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
die() {
	warn "$*"
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix='' binary='' tarball='' checksum='' uninstall=no

value() { [ "$1" -ge 2 ] || die "$2 needs a value: see --help"; }
while [ $# -gt 0 ]; do
	case $1 in
	--prefix) value $# "$1" && prefix=$2 && shift ;;
	--binary) value $# "$1" && binary=$2 && shift ;;
	--tarball) value $# "$1" && tarball=$2 && shift ;;
	--checksum) value $# "$1" && checksum=$2 && shift ;;
	--prefix=*) prefix=${1#*=} ;;
	--binary=*) binary=${1#*=} ;;
	--tarball=*) tarball=${1#*=} ;;
	--checksum=*) checksum=${1#*=} ;;
	--uninstall) uninstall=yes ;;
	-h | --help) usage && exit 0 ;;
	*) die "unknown argument \"$1\": see --help" ;;
	esac
	shift
done
[ -z "$binary" ] || [ -z "$tarball" ] || die "--binary and --tarball exclude each other"
[ -z "$checksum" ] || [ -n "$tarball" ] || die "--checksum belongs to --tarball"
if [ -z "$prefix" ]; then
	if [ "$(id -u)" = 0 ]; then
		prefix=/usr/local
	else
		[ -n "${HOME:-}" ] || die "HOME is not set: give --prefix DIR"
		prefix=$HOME/.local
	fi
fi
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac

bin=$prefix/bin/dhow
bash_completion=$prefix/share/bash-completion/completions/dhow
zsh_completion=$prefix/share/zsh/site-functions/_dhow
fish_completion=$prefix/share/fish/vendor_completions.d/dhow.fish
man_page=$prefix/share/man/man1/dhow.1

version_of() { "$1" version --format '{{.Client.Version}}' 2>/dev/null || "$1" --version 2>/dev/null || echo "of an unknown version"; }

data_dir() {
	if [ -n "${XDG_DATA_HOME:-}" ]; then
		say "$XDG_DATA_HOME/dhow"
	elif [ "$(id -u)" = 0 ]; then
		say /var/lib/dhow
	else
		say "${HOME:-~}/.local/share/dhow"
	fi
}

if [ "$uninstall" = yes ]; then
	removed=no
	for f in "$bin" "$bash_completion" "$zsh_completion" "$fish_completion" "$man_page" "${man_page%.1}"-*.1; do
		if [ -e "$f" ] || [ -L "$f" ]; then
			rm -f -- "$f" || die "can not remove $f"
			case $f in "${man_page%.1}"-*) ;; *) say "removed $f" ;; esac
			removed=yes
		fi
	done
	[ "$removed" = yes ] || say "dhow is not installed below $prefix"
	data=$(data_dir)
	if [ -d "$data" ]; then
		say "images and containers stay in $data"
		if [ "$(id -u)" = 0 ]; then
			say "  to remove them too: rm -rf $data"
		elif [ "$removed" = yes ]; then
			say "  to remove them too, install again, then: dhow unshare rm -rf $data"
		else
			say "  to remove them too, with any copy of dhow: dhow unshare rm -rf $data"
		fi
	fi
	exit 0
fi

# What is there.
[ "$(uname -s)" = Linux ] || die "dhow runs on Linux only, this is $(uname -s)"
release=$(uname -r)
major=${release%%.*}
minor=${release#*.}
minor=${minor%%[!0-9]*}
if [ "$major" -lt 5 ] || { [ "$major" -eq 5 ] && [ "${minor:-0}" -lt 11 ]; }; then
	warn "Linux $release is old: as a user dhow needs 5.11 or newer"
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/dhow-install.XXXXXX")
staged=''
cleanup() {
	rm -rf -- "$tmp"
	[ -z "$staged" ] || rm -f -- "$staged"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

sum() {
	if have sha256sum; then
		sha256sum -- "$1" | cut -d ' ' -f 1
	elif have shasum; then
		shasum -a 256 -- "$1" | cut -d ' ' -f 1
	elif have openssl; then
		openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
	else
		die "no sha256sum, shasum or openssl to check the tarball with"
	fi
}

if [ -n "$tarball" ]; then
	[ -n "$checksum" ] || die "--tarball needs --checksum, the sha256 that was published with it"
	case $tarball in
	https://*)
		say "fetching $tarball"
		if have curl; then
			curl -fsSL --proto '=https' -o "$tmp/release" -- "$tarball" || die "can not fetch $tarball"
		elif have wget; then
			wget -q -O "$tmp/release" -- "$tarball" || die "can not fetch $tarball"
		else
			die "no curl or wget to fetch $tarball with"
		fi
		;;
	*://*) die "a release is fetched by https:// only" ;;
	*)
		[ -f "$tarball" ] || die "no such file: $tarball"
		cp -- "$tarball" "$tmp/release"
		;;
	esac
	got=$(sum "$tmp/release")
	want=$(printf '%s' "$checksum" | tr 'ABCDEF' 'abcdef')
	[ "$got" = "${want#sha256:}" ] || die "the checksum of $tarball is $got, not ${want#sha256:}: nothing was installed"
	mkdir "$tmp/x"
	# the binary alone, wherever it lies in the archive
	member=$(tar -tzf "$tmp/release" | grep -E '^(\./)?([^/]+/)?(bin/)?dhow$' | head -n 1) || member=''
	[ -n "$member" ] || die "$tarball holds no dhow"
	tar -xzf "$tmp/release" -C "$tmp/x" -- "$member"
	binary=$tmp/x/$member
elif [ -z "$binary" ]; then
	[ -f "$here/go.mod" ] || die "this is no checkout of dhow: give --tarball FILE --checksum HEX"
	have go || die "Go is missing: install $(sed -n 's/^go /go /p' "$here/go.mod") or newer from https://go.dev/dl, or give --tarball"
	have make || die "make is missing: sudo apt-get install -y make"
	say "building in $here"
	make -C "$here" --no-print-directory || die "the build failed, nothing was installed"
	binary=$here/bin/dhow
fi
[ -f "$binary" ] || die "no such file: $binary"
chmod +x "$binary" 2>/dev/null || :
new=$(version_of "$binary")
"$binary" --version >/dev/null 2>&1 || die "$binary does not run on this machine ($(uname -m)): nothing was installed"

# place FILE AT MODE puts a file in place by rename, so that there is always one, old or new.
place() {
	mkdir -p -- "$(dirname -- "$2")" || die "can not make $(dirname -- "$2"): choose another --prefix"
	staged=$(dirname -- "$2")/.dhow-install.$$
	cp -- "$1" "$staged" || die "can not write to $(dirname -- "$2"): choose another --prefix"
	chmod "$3" "$staged"
	mv -f -- "$staged" "$2"
	staged=''
}

old=''
[ ! -x "$bin" ] || old=$(version_of "$bin")
place "$binary" "$bin" 755
if [ -z "$old" ]; then
	say "installed $bin ($new)"
elif [ "$old" = "$new" ]; then
	say "installed $bin again ($new)"
else
	say "upgraded $bin from $old to $new"
fi

# generated NAME AT WORDS… puts what `dhow WORDS` prints in place.
generated() {
	name=$1 at=$2
	shift 2
	if "$bin" "$@" >"$tmp/generated" 2>/dev/null && [ -s "$tmp/generated" ]; then
		place "$tmp/generated" "$at" 644
		say "installed $at"
	else
		warn "this version of dhow makes no $name"
	fi
}
generated "bash completion" "$bash_completion" completion bash
generated "zsh completion" "$zsh_completion" completion zsh
generated "fish completion" "$fish_completion" completion fish
generated "man page" "$man_page" man
# The page of each command, dhow-run(1), beside it; those of commands that are no more go.
rm -f -- "${man_page%.1}"-*.1
for page in $("$bin" man --list 2>/dev/null || :); do
	if "$bin" man "$page" >"$tmp/generated" 2>/dev/null && [ -s "$tmp/generated" ]; then
		place "$tmp/generated" "${man_page%.1}-$page.1" 644
	fi
done

# What to do next.
next=''
todo() {
	[ -n "$next" ] || printf '\nWhat to do next:\n'
	next=yes
	say "  $*"
}
case :$PATH: in
*:"$prefix/bin":*) ;;
*) todo "put it on your PATH: echo 'export PATH=\"$prefix/bin:\$PATH\"' >>~/.profile, and log in again" ;;
esac
if [ "$(id -u)" != 0 ]; then
	me=$(id -un 2>/dev/null || id -u)
	have_ranges=yes
	for f in /etc/subuid /etc/subgid; do
		grep -q -e "^$me:" -e "^$(id -u):" "$f" 2>/dev/null || have_ranges=no
	done
	if [ "$have_ranges" = no ]; then
		todo "optional, for speed: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $me (a range nobody has)"
	elif ! [ -x /usr/bin/newuidmap ] && ! [ -x /bin/newuidmap ] && ! [ -x /usr/sbin/newuidmap ]; then
		todo "optional, for speed: sudo apt-get install -y uidmap"
	fi
	if ! (: <>/dev/net/tun) 2>/dev/null; then
		todo "for the private network: sudo modprobe tun && sudo chmod 666 /dev/net/tun"
	fi
	[ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 1)" != 0 ] ||
		todo "allow user namespaces: sudo sysctl -w user.max_user_namespaces=15000"
	[ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || echo 1)" != 0 ] ||
		todo "allow user namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1"
	if [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null || echo 0)" = 1 ]; then
		todo "allow user namespaces to dhow alone:"
		say "    printf 'abi <abi/4.0>,\\nprofile dhow $bin flags=(unconfined) { userns, }\\n' | sudo tee /etc/apparmor.d/dhow && sudo apparmor_parser -r /etc/apparmor.d/dhow"
	fi
fi
if have zsh && [ "$prefix" != /usr/local ] && [ -e "$zsh_completion" ]; then
	todo "for completion in zsh: fpath=($prefix/share/zsh/site-functions \$fpath) before compinit in ~/.zshrc"
fi
todo "see what this machine gives: dhow doctor"
