#!/bin/bash
# Sourced by each app_*.sh. One line for each check, "  ok   WHAT" or "  FAIL WHAT" with what was said.
# A container of an application is named after it; all that an application made is removed when it ends.
set -u
APPS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
APP=${0##*/app_}
APP=${APP%.sh}
FAILED=0
cd "$HOME" || exit 1

# dhow is under a name of its own, so that a hanging one ends.
x() { timeout -k 5 "${LIMIT:-120}" dhow "$@"; }

ok() { # ok WHAT COMMAND…
  local what=$1 out
  shift
  if out=$("$@" 2>&1 </dev/null); then echo "  ok   $what"; else
    FAILED=$((FAILED + 1))
    echo "  FAIL $what"
    printf '%s\n' "$out" | tail -8 | sed 's/^/       | /'
    return 1
  fi
}
not() { ! "$@"; }
eq() { [ "$1" = "$2" ] || { echo "got [$1], want [$2]"; return 1; }; }
has() { case $1 in *"$2"*) ;; *) echo "[$2] is not in [$1]"; return 1 ;; esac; }
until_ok() { # until_ok SECONDS COMMAND…: again and again until it succeeds
  local end=$((SECONDS + $1))
  shift
  while [ $SECONDS -lt $end ]; do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  "$@"
}
port() { x port "$1" "$2" | sed -n '1s/.*://p'; } # port NAME CONTAINERPORT: the host's
get() { curl -fsS -m 10 "$@"; }

# image TARGET: builds a stage of the Dockerfile beside this file; the name of the image is the stage's.
image() {
  x image exists debian || ok "imports the base" x import -c 'CMD ["bash"]' "$DHOW_DATA/base.tar" debian || exit 1
  local flags=(--secret "id=apt,src=$DHOW_DATA/sources.list" --secret "id=ca,src=$DHOW_DATA/ca.crt")
  LIMIT=800 ok "builds $1" x build --progress plain "${flags[@]}" --target "$1" -t "$1" "$APPS" || exit 1
}

finish() {
  local rc=$? ids
  ids=$(x ps -aq)
  # shellcheck disable=SC2086 # a list of ids
  [ -z "$ids" ] || x rm -f $ids >/dev/null 2>&1
  [ $rc = 0 ] && [ $FAILED = 0 ]
  exit
}
trap finish EXIT

# A terminal: tmux with one window, a shell in it.
T="tmux -S $HOME/tmux"
term_open() { # term_open COLUMNS ROWS
  # shellcheck disable=SC2086
  $T -f /dev/null new-session -d -x "$1" -y "$2" "env PS1='ready> ' bash --norc --noprofile"
  until_ok 5 shows 'ready>$'
}
term_close() { $T kill-server 2>/dev/null; }
keys() { $T send-keys "$@"; }
typed() { $T send-keys -l -- "$1"; $T send-keys Enter; }
screen() { $T capture-pane -p; }
shows() { local s; s=$(screen); [[ $s =~ $1 ]] || { printf 'no [%s] on the screen:\n%s\n' "$1" "$s"; return 1; }; }
# soon WHAT REGEX: the screen shows it within some seconds.
soon() { ok "$1" until_ok 15 shows "$2"; }
last() { screen | sed '/^$/d' | tail -n 1; } # the lowest row with something in it
row() { screen | sed -n "$1p"; }             # row N from the top
rowis() { eq "$(row "$1")" "$2"; }
resize() { $T resize-window -x "$1" -y "$2"; }
