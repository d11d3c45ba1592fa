package run

import (
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/seccomp"
	"github.com/dhow-containers/dhow/run/spec"
)

// warm spends the time until a monitor is given its container on what takes longest when it is done for
// the first time: the tables with which JSON is read and written, a specification and its filter. They
// are made of nothing and thrown away; nothing outside the process is changed.
func warm(command *os.File) {
	for _, piece := range []func(){warmRecords, warmFilter, warmSaved} {
		if told(command) {
			return
		}
		piece()
	}
}

// told reports whether the command has sent something, or is gone.
func told(command *os.File) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(command.Fd()), Events: unix.POLLIN}}, 0)
	return n != 0 || err != nil
}

func warmRecords() {
	warmJSON[handover]()
	warmJSON[record.Container]()
	warmJSON[record.State]()
}

func warmSaved() { warmJSON[saved]() }

func warmFilter() {
	s, _, err := spec.Make(spec.Image{}, spec.Wishes{Args: []string{"true"}}, spec.Host{ID: record.NewID(), Rootfs: "/"})
	if err == nil {
		_, _, _ = seccomp.Program(s.Linux.Seccomp)
	}
}

func warmJSON[T any]() {
	var v T
	data, _ := json.Marshal(v)
	_ = json.Unmarshal(data, &v)
}
