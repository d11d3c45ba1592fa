package run

import (
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/record"
)

// warm spends the time until a monitor is given its container on what takes longest when it is done for
// the first time and is kept: the tables with which JSON is read and written.
func warm(command *os.File) {
	for _, piece := range []func(){warmRecords, warmSaved} {
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

func warmJSON[T any]() {
	var v T
	data, _ := json.Marshal(v)
	_ = json.Unmarshal(data, &v)
}
