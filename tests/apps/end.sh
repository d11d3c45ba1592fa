#!/bin/bash
# end.sh: ends and removes all containers of the calling user's store, and the store.

ids=$(dhow ps -aq) || exit 0
# shellcheck disable=SC2086 # a list of ids
[ -z "$ids" ] || dhow rm -f $ids >/dev/null
tmux -S "$HOME/tmux" kill-server 2>/dev/null
cd /
rm -rf "$HOME/data" 2>/dev/null || dhow unshare rm -rf "$HOME/data"
