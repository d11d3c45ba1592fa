#!/bin/sh
# checks.sh: what the virtual machine shows that a host without a delegated cgroup v2 can not: limits,
# pause, stats and update, as root, as a user with subordinate ids (ann) and as one without (bob).
set -u
group=/sys/fs/cgroup

# The image: busybox.
mkdir -p /tmp/base/bin /tmp/base/tmp /tmp/base/etc /tmp/base/root
cp /bin/busybox /tmp/base/bin/busybox
for a in $(busybox --list); do [ "$a" = busybox ] || ln -sf busybox "/tmp/base/bin/$a"; done
tar -C /tmp/base -cf /tmp/base.tar .

cat >/tmp/user.sh <<'CHECKS'
kind=$1
ok() { echo "ok - $kind: $1"; }
not() { echo "not ok - $kind: $1"; sed 's/^/    /' "$HOME/out"; }
check() { # NAME COMMAND: succeeds
  if (eval "$2") >"$HOME/out" 2>&1; then ok "$1"; else not "$1"; fi
}
gives() { # NAME PATTERN COMMAND: prints a line that fits
  (eval "$3") >"$HOME/out" 2>&1
  if grep -Eq -- "$2" "$HOME/out"; then ok "$1"; else not "$1 (want $2)"; fi
}
code() { "$@"; echo "code $?"; }
mine() { find /sys/fs/cgroup -type d -name 'dhow-*' -user "$(id -u)"; }
none() { for _ in 1 2 3 4 5 6 7 8 9 10; do [ -z "$(mine)" ] && return 0; sleep 0.2; done; mine; return 1; }
lines() { dhow logs "$1" | wc -l; }
cd "$HOME" || exit 1
check 'an image is made' 'dhow import /tmp/base.tar base'

check 'this kernel builds, again and again' 'for i in 1 2 3 4; do printf "FROM base\nRUN echo $i >/x\nRUN rm /bin/vi && cat /x\nRUN ls -R /bin >/y\n" | dhow build -q - || exit; done'
check 'this kernel builds' 'printf "FROM base\nRUN echo built >/x\nRUN rm /bin/vi && cat /x\n" | dhow build -t built - && test "$(dhow run --rm built cat /x)" = built && none'

# Limits.
dhow run --rm -m 50m --memory-reservation 20m --cpus 0.5 -c 512 --pids-limit 20 --cpuset-cpus 1 --cpuset-mems 0 \
  --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:100 --blkio-weight 100 \
  base sh -c 'cd /sys/fs/cgroup && grep . memory.max memory.swap.max memory.low cpu.max cpu.weight pids.max cpuset.cpus cpuset.mems io.max; nproc' >"$HOME/limits" 2>&1
for want in memory.max:52428800 memory.swap.max:52428800 memory.low:20971520 'cpu.max:50000 100000' cpu.weight:59 pids.max:20 cpuset.cpus:1 cpuset.mems:0 \
  'io.max:.* rbps=1048576 .*wiops=100' '^1$'; do
  gives "inside it reads $want" "$want" 'cat $HOME/limits'
done
gives 'memory that is used up ends the container' 'code 137' 'code dhow run --name oom -m 20m base tail /dev/zero'
gives 'and inspect says so' '^true 137$' 'dhow inspect -f "{{.State.OOMKilled}} {{.State.ExitCode}}" oom'
gives 'a child that was killed is told of too' '^true 3$' 'dhow run --name child -m 20m base sh -c "tail /dev/zero; exit 3"; dhow inspect -f "{{.State.OOMKilled}} {{.State.ExitCode}}" child'
gives 'a container that used little is not said to be killed' '^false 0$' 'dhow run --name little -m 20m base true; dhow inspect -f "{{.State.OOMKilled}} {{.State.ExitCode}}" little'
check 'inspect tells while it runs' 'dhow run -d --name live -m 20m base sh -c "tail /dev/zero; sleep 100"; for i in 1 2 3 4 5 6 7 8 9 10; do test "$(dhow inspect -f "{{.State.OOMKilled}} {{.State.Status}}" live)" = "true running" && break; sleep 1; done; dhow rm -f live; test $i -lt 10'
check 'events tell of it while it runs, once' 'dhow run -d --name told -m 20m base sh -c "tail /dev/zero; sleep 100"; for i in 1 2 3 4 5 6 7 8 9 10; do dhow events --since 1h --until 0s --filter container=told --filter event=oom | grep -q oom && break; sleep 1; done; dhow ps | grep told && dhow rm -f told; test $i -lt 10 && test $(dhow events --since 1h --until 0s --filter container=told --filter event=oom | wc -l) = 1'
check 'they are removed' 'dhow rm oom child little'
gives 'processor time is throttled' 'nr_throttled [1-9]' 'dhow run --rm --cpus 0.1 base sh -c "i=0; while [ \$i -lt 20000 ]; do i=\$((i+1)); done; cat /sys/fs/cgroup/cpu.stat"'
check 'a fork bomb starts' 'dhow run -d --name bomb --pids-limit 30 base sh -c "sleep 1000 & f() { f | f & }; f & wait"'
sleep 2
gives 'and is held' '^([1-9]|[12][0-9]|30)$' 'cat $(mine)/pids.current'
check 'and ended' 'timeout 60 dhow rm -f bomb && none'
gives 'more processors than there are are refused' 'Range of CPUs is from 0.01 to 2.00' 'dhow run --rm --cpus 3 base true'
gives 'a processor that is not there is refused' 'available: 0-1' 'dhow run --rm --cpuset-cpus 2 base true'
check 'the root of the view is the own group' 'test "$(dhow run --rm base cat /proc/self/cgroup)" = 0::/'
gives 'and read-only' 'Read-only' 'dhow run --rm base mkdir /sys/fs/cgroup/x'
gives 'with --cgroupns host too' 'Read-only' 'dhow run --rm --cgroupns host base mkdir /sys/fs/cgroup/x'
check 'no group is left' none

# Pause.
check 'a container starts' 'dhow run -d --name tick -m 64m base sh -c "while :; do echo tick; sleep 0.1; done"'
gives 'exec joins the group' '^0::/$' 'dhow exec tick cat /proc/self/cgroup'
check 'pause' 'sleep 1; dhow pause tick'
check 'it stands' 'a=$(lines tick); sleep 1; b=$(lines tick); echo $a $b; test $a = $b && test $a -gt 0'
gives 'ps shows it' '^tick paused Up .*\(Paused\)$' 'dhow ps --filter status=paused --format "{{.Names}} {{.State}} {{.Status}}"'
gives 'inspect shows it' '^paused true true$' 'dhow inspect -f "{{.State.Status}} {{.State.Paused}} {{.State.Running}}" tick'
gives 'exec waits for unpause' 'Container tick is paused, unpause the container before exec' 'dhow exec tick true'
gives 'start too' 'cannot start a paused container, try unpause instead' 'dhow start tick'
gives 'rm too' 'container is paused and must be unpaused first' 'dhow rm tick'
gives 'it is paused once' 'already paused' 'dhow pause tick'
check 'unpause' 'dhow unpause tick'
check 'it goes on' 'a=$(lines tick); sleep 1; b=$(lines tick); echo $a $b; test $b -gt $a'
gives 'only what is paused is unpaused' 'is not paused' 'dhow unpause tick'
check 'commit pauses and lets go on' 'dhow commit tick tick:1 && test "$(dhow inspect -f "{{.State.Paused}}" tick)" = false'
gives 'a paused container can be stopped' '^(137|143|0)$' 'dhow pause tick; timeout 60 dhow stop -t 3 tick; dhow wait tick'
check 'and started' 'dhow start tick'
gives 'and killed' '^137$' 'dhow pause tick; timeout 60 dhow kill tick; dhow wait tick'
check 'and removed by force' 'dhow start tick && dhow pause tick && timeout 60 dhow rm -f tick && none'

# Stats and update.
check 'a busy container starts' 'dhow run -d --name busy -m 64m --cpus 1 base sh -c "while :; do :; done"'
gives 'stats measures' '^busy [0-9]{1,3}\.[0-9]{2}% .*iB / 64MiB [0-9.]+% .* 1$' 'dhow stats --no-stream --format "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.PIDs}}"'
check 'its processor time is half a processor or more' 'p=$(dhow stats --no-stream --format "{{.CPUPerc}}" busy); echo $p; test ${p%%.*} -ge 50'
check 'update' 'dhow update -m 96m --cpus 0.2 --pids-limit 40 busy'
gives 'it counts at once: memory' '^100663296$' 'cat $(mine)/memory.max'
gives 'processors' '^20000 100000$' 'cat $(mine)/cpu.max'
gives 'processes' '^40$' 'cat $(mine)/pids.max'
check 'and is seen' 'p=$(dhow stats --no-stream --format "{{.CPUPerc}}" busy); echo $p; test ${p%%.*} -le 40'
gives 'inspect shows it' '^100663296 200000000 40$' 'dhow inspect -f "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}" busy'
gives 'update checks' 'Minimum memory limit allowed is 6MB' 'dhow update -m 1m busy'
gives 'later starts have it' '^100663296$' 'timeout 60 dhow restart -t 0 busy; cat $(mine)/memory.max'
gives 'stats of one that does not run' '^busy 0.00% 0B / 0B' 'timeout 60 dhow stop -t 0 busy; dhow stats -a --no-stream --format "{{.Name}} {{.CPUPerc}} {{.MemUsage}}"'
gives 'update of one that does not run' '^code 0$' 'code dhow update -m 48m busy'
gives 'counts at its start' '^50331648$' 'dhow start busy; cat $(mine)/memory.max'

# A killed monitor, the container paused: nothing is left, and it starts again.
check 'pause' 'dhow pause busy'
check 'its monitor is killed' 'kill -9 $(pidof dhow); sleep 1; dhow ps -a | grep Exited'
check 'the group is gone' none
check 'it starts again' 'dhow start busy && dhow exec busy true'
check 'its monitor is killed again, and rm takes the group along' 'kill -9 $(pidof dhow); sleep 1; dhow rm busy && none'
CHECKS

cat >/tmp/refused.sh <<'CHECKS'
kind=$1
gives() {
  (eval "$3") >"$HOME/out" 2>&1
  if grep -Eq -- "$2" "$HOME/out"; then echo "ok - $kind: $1"; else echo "not ok - $kind: $1 (want $2)"; sed 's/^/    /' "$HOME/out"; fi
}
case $2 in
none)
  gives 'without a delegated group a limit is refused' '^dhow: --memory can not be set here: no control group above .* may be written: none is delegated to you; start dhow in a group of your own' 'dhow run --rm -m 64m base true'
  gives 'with 125' '^125$' 'dhow run --rm -m 64m base true; echo $?'
  gives 'pause is refused' 'cannot pause container free: it has no control group of its own: ' 'dhow run -d --name free base sh -c "while :; do :; done"; dhow pause free'
  gives 'update is refused' '^dhow: --memory can not be set for container free: it has no control group of its own: ' 'dhow update -m 64m free'
  gives 'stats adds up' '^free [0-9]+\.[0-9]{2}% [1-9].* 1$' 'dhow stats --no-stream --format "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}"'
  gives 'and says so' 'added up from /proc' 'dhow stats --no-stream'
  gives 'it is removed' '^free$' 'dhow rm -f free' ;;
part)
  gives 'a controller that is missing is refused' '^dhow: --cpus can not be set here: the control group /mid/part has no "cpu" controller; delegate it' 'dhow run --rm --cpus 1 base true'
  gives 'one that is there is not' '^67108864$' 'dhow run --rm -m 64m base cat /sys/fs/cgroup/memory.max' ;;
full)
  gives 'a group with processes can have none below' '^dhow: --memory can not be set here: the control group /full is yours but has other processes in it' 'dhow run --rm -m 64m base true' ;;
esac
CHECKS

as() { # USER GROUP SCRIPT ARGS: in that group
  user=$1 in=$2
  shift 2
  if [ "$user" = root ]; then HOME=/root sh "$@"; return; fi
  # su leaves the group as it is
  sh -c 'echo $$ >"$1/cgroup.procs" || exit 1; shift; exec su "$1" -c "$2"' sh "$group$in" "$user" "sh $*"
}

give() { # GROUP USER
  mkdir -p "$group/$1"
  chown "$2" "$group/$1" "$group/$1/cgroup.procs" "$group/$1/cgroup.subtree_control" "$group/$1/cgroup.threads"
}

{
  as root '' /tmp/user.sh root
  as ann /ann/login /tmp/user.sh ann
  as bob /bob/login /tmp/user.sh bob
  for u in ann bob; do as $u /system /tmp/refused.sh $u none; done
  # Controllers go down level by level: two of them here.
  mkdir $group/mid && echo '+memory +pids' >$group/mid/cgroup.subtree_control
  give /mid/part ann && give /mid/part/login ann && as ann /mid/part/login /tmp/refused.sh ann part
  give /full ann && as ann /full /tmp/refused.sh ann full
  echo 'exec dhow run --rm -m 64m base cat /sys/fs/cgroup/memory.max' >/tmp/alone.sh
  if [ "$(as ann /full /tmp/alone.sh)" = 67108864 ]; then echo 'ok - ann: dhow alone in its group moves down'; else echo 'not ok - ann: dhow alone in its group moves down'; fi
  if dhow run --rm -m 64m --cgroup-parent chosen/one base sh -c 'cat /sys/fs/cgroup/memory.max' | grep -qx 67108864 && rmdir $group/chosen/one $group/chosen
  then echo 'ok - root: --cgroup-parent'; else echo 'not ok - root: --cgroup-parent'; fi
} 2>&1 | tee /tmp/results
passed=$(grep -c '^ok - ' /tmp/results) failed=$(grep -c '^not ok - ' /tmp/results)
echo "vm-test: $passed passed, $failed failed"
