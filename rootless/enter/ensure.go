package enter

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Ensure makes sure that the command stands in its namespaces. When the constructor misread argv and
// left the process alone, the program is started again in its place and Ensure does not return. The
// error is that of Err.
//
// It is for the start of a command, before anything was written or read.
func Ensure() error {
	if state().acted {
		return Err()
	}
	env := make([]string, 0, len(os.Environ())+1)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DHOW_ENTER=") {
			env = append(env, kv)
		}
	}
	if err := syscall.Exec("/proc/self/exe", os.Args, append(env, "DHOW_ENTER=1")); err != nil {
		return fmt.Errorf("starting dhow again in a user namespace: %w", err)
	}
	return nil
}
