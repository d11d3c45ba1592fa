#!/bin/sh
# Runs every fuzz target of the repository, each for FUZZTIME (3m). FUZZ is a regular expression for
# "package target"; what it does not match is left out. One binary a package is built, instrumented: the
# first time that takes minutes. What a target trips over is kept in its package's testdata/fuzz, where
# every `go test` tries it again; what only reaches new code goes to $(go env GOCACHE)/fuzz.
#
#   make fuzz                       all of them, for a long time
#   make fuzz FUZZTIME=10s          a slice, as `.ci/run fuzz` has it
#   make fuzz FUZZ='layer FuzzApply'
set -eu
cd "$(dirname "$0")/.."
root=$PWD
corpus=$(go env GOCACHE)/fuzz
tags=$(sed -n 's/^TAGS *:= //p' Makefile)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mkdir -p bin/fuzz
failed=
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
  targets=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go)
  wanted=
  for t in $targets; do
    if printf '%s %s\n' "$dir" "$t" | grep -qE -- "${FUZZ:-.}"; then wanted="$wanted $t"; fi
  done
  [ -n "$wanted" ] || continue
  binary=$root/bin/fuzz/$(echo "${dir#./}" | tr / _).test
  CGO_ENABLED=1 go test -c -fuzz=. -tags "$tags" -o "$binary" "$dir"
  for t in $wanted; do
    if (cd "$dir" && nice "$binary" -test.run='^$' -test.fuzz="^$t\$" -test.fuzztime="${FUZZTIME:-3m}" -test.fuzzminimizetime=5s \
      -test.fuzzcachedir="$corpus" -test.timeout=0) >"$log" 2>&1; then
      echo "ok   ${dir#./} $t: $(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1) inputs"
    else
      echo "FAIL ${dir#./} $t"
      cat "$log"
      failed="$failed $t"
    fi
  done
done
[ -z "$failed" ] || { echo "fuzz: failed:$failed" >&2; exit 1; }
