#!/bin/sh
# Runs every fuzz target of the repository, each for FUZZTIME (3m). FUZZ is a regular expression for
# "package target"; what it does not match is left out. One binary a package is built, instrumented: the
# first time that takes minutes. What a target trips over is kept in its package's testdata/fuzz, where
# every `go test` tries it again; what only reaches new code goes to $(go env GOCACHE)/fuzz.
#
#   make fuzz                       all of them, for a long time
#   make fuzz FUZZTIME=10s          a slice, as .ci/run has it
#   make fuzz FUZZ='layer FuzzApply'
#   FUZZWORKERS=1                   processes that try inputs at once, two otherwise
#
# One line for each target. A target that does not end two minutes after its time hangs, and has failed.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
corpus=$(go env GOCACHE)/fuzz
tags=$(sed -n 's/^TAGS *:= //p' Makefile)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mkdir -p bin/fuzz

# limit TIME gives the seconds after which a target that is to run for TIME is ended; 0 is never.
limit() {
  n=${1%[smh]}
  case $1 in
  *[!0-9smh]*) echo 0 ;;
  *s) echo $((n + 120)) ;;
  *m) echo $((n * 60 + 120)) ;;
  *h) echo $((n * 3600 + 120)) ;;
  *) echo 0 ;;
  esac
}

# late tells of a run whose time was up while an input was being tried: Go calls that a failure, too, of
# no input; mended in 1.27 (https://go.dev/issue/75804).
late() {
  grep -q '^ *context deadline exceeded$' "$log" && ! grep -qE 'Failing input|panic|fatal error' "$log"
}

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
    code=0
    (cd "$dir" && nice timeout -k 10 "$(limit "${FUZZTIME:-3m}")" "$binary" -test.run='^$' -test.fuzz="^$t\$" -test.fuzztime="${FUZZTIME:-3m}" \
      -test.fuzzminimizetime=5s -test.fuzzcachedir="$corpus" -test.parallel="${FUZZWORKERS:-2}" -test.timeout=0) >"$log" 2>&1 || code=$?
    inputs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1)
    if [ "$code" = 0 ] || late; then
      echo "ok   ${dir#./} $t: ${inputs:-no} inputs"
    else
      [ "$code" != 124 ] || echo "it did not end" >>"$log"
      echo "FAIL ${dir#./} $t"
      cat "$log"
      failed="$failed $t"
    fi
  done
done
[ -z "$failed" ] || { echo "fuzz: failed:$failed" >&2; exit 1; }
