#!/bin/bash
# less, top and a shell on a terminal: the screen, its size, leaving and coming back, keys, modes.
. "$(dirname "$0")/lib.sh"
image terminal
d=dhow
f=/usr/share/common-licenses/GPL-3
x run --rm terminal cat $f >text
term_open 80 24 || exit 1
typed 'stty -a | sed 1d >before; clear'

typed "$d run -it --name pager terminal less $f"
ok "less shows the first line" until_ok 15 rowis 1 "$(sed -n 1p text)"
ok "the file's name below" eq "$(row 24)" "$f"
ok "the 23rd is on the last row but one" rowis 23 "$(sed -n 23p text)"
keys Space
ok "a page further" until_ok 5 rowis 1 "$(sed -n 24p text)"
keys g
ok "back at the top" until_ok 5 rowis 1 "$(sed -n 1p text)"
resize 100 40
ok "a larger window is filled" until_ok 10 rowis 39 "$(sed -n 39p text)"
resize 60 15
keys g
ok "a smaller one begins with the first line" until_ok 10 rowis 1 "$(sed -n 1p text)"
keys G
soon "the end" '\(END\)'
typed '?Disclaimer of'
ok "a search" until_ok 10 rowis 1 '  15. Disclaimer of Warranty.'
keys C-p C-q
soon "left with the detach keys" 'ready>$'
ok "it runs on" eq "$(x inspect -f '{{.State.Status}}' pager)" running
typed 'clear; stty -a | sed 1d >between; cmp before between && echo modes as before'
soon "the terminal is as before" 'modes as before'
resize 80 24
typed "clear; $d attach pager"
ok "attached: the screen is drawn anew" until_ok 10 rowis 1 '  15. Disclaimer of Warranty.'
keys g
ok "in the new size" until_ok 10 rowis 23 "$(sed -n 23p text)"
keys q
soon "ended" 'ready>$'
typed 'echo code $?'
soon "with its exit status" 'code 0'
ok "which is kept" eq "$(x inspect -f '{{.State.Status}} {{.State.ExitCode}}' pager)" 'exited 0'

typed "clear; $d run -it --rm --name monitor terminal top -d 1"
soon "top shows the load" 'load average'
soon "and itself, alone" '  1 root .* top'
ok "one or two tasks" shows 'Tasks: +[12] total'
keys C-p C-q
soon "left" 'ready>$'
typed "clear; $d attach monitor"
soon "and come back to" 'load average'
ok "exec on a terminal of its own" has "$(script -qec "$d exec -it monitor tty" /dev/null)" /dev/pts/
# tmux cuts and keeps what was drawn before: the size that top has says when it draws for it.
size() { eq "$(x exec monitor stty -F /dev/console size)" "$*"; }
drawn() { [[ $(row 1) =~ ^'top - ' && $(row 5) =~ $1 ]] || { screen; return 1; }; }
resize 50 12
ok "in a small window" until_ok 10 size 12 50
ok "it draws that" until_ok 10 drawn '^MiB Swap.*free,[^a-z]*$'
resize 80 24
ok "and in a large one again" until_ok 10 size 24 80
ok "it draws that too" until_ok 10 drawn 'avail Mem'
keys q
soon "top ended" 'ready>$'
typed "clear; $d run -it --rm terminal top -d 1"
soon "top again" 'load average'
keys C-c
soon "ends by ctrl-c" 'ready>$'

typed "clear; $d run -it --rm --name box -h box terminal"
soon "a shell" 'root@box:/#$'
typed 'stty size'
soon "knows the size" '24 80'
resize 90 30
typed 'stty size'
soon "follows it" '30 90'
sleeps() { x top box | grep -q 'sleep 100'; }
typed 'sleep 100'
ok "it starts a child" until_ok 10 sleeps
keys C-c
ok "ctrl-c ends it" until_ok 10 not sleeps
typed 'echo status $?'
soon "alone, with its status" 'status 130'
typed 'sleep 100'
ok "another child" until_ok 10 sleeps
keys C-z
soon "job control" 'Stopped'
typed 'fg'
sleep 1
keys C-c
ok "and in the foreground again" until_ok 10 not sleeps
typed 'exit 5'
soon "exit" 'ready>$'
typed 'echo code $?'
soon "its exit status" 'code 5'
typed 'clear; stty -a | sed 1d >after; cmp before after && echo modes as before'
soon "the terminal is as at the start" 'modes as before'
typed "clear; echo input | $d run -it --rm terminal cat"
soon "no terminal is refused as docker does" 'the input device is not a TTY'
term_close
