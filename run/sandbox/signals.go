package sandbox

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// defaultSignals lets the payload begin with no signal ignored, whatever its monitor, nohup(1) or the
// shell that put dhow into the background ignores: dispositions survive execve(2), and a program that
// finds SIGINT ignored leaves it so – Ctrl-C would reach nothing in the container. A signal with a
// handler has its default after execve, so each gets one. Go does that itself for all but these.
func defaultSignals() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGWINCH, unix.SIGURG)
}
