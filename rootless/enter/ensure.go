package enter

import (
	"fmt"
	"os"
	"syscall"
)

const again = "DHOW_ENTER"

// Ensure makes sure that the command stands in its namespaces. When the constructor misread argv and
// left the process alone, the program is started again in its place and Ensure does not return. The
// error is that of Err.
//
// It is for the start of a command, before anything was written or read.
func Ensure() error {
	if state().acted {
		return Err()
	}
	// The constructor takes the variable away when it heeds it.
	if _, tried := os.LookupEnv(again); tried {
		return &Error{Op: "entering a user namespace", Cause: "dhow was started with more rights than its caller has, or as a part of itself",
			hint: "take set-user-ID and file capabilities from the binary (chmod u-s, setcap -r); unset _LIBCONTAINER_INITPIPE"}
	}
	if err := syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), again+"=1")); err != nil {
		return fmt.Errorf("starting dhow again in a user namespace: %w", err)
	}
	return nil
}
