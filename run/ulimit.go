package run

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/run/spec"
)

// checkUlimit refuses a hard limit above the caller's own, which only root may raise (setrlimit(2)).
func (o Options) checkUlimit(u spec.Ulimit) error {
	kind, ok := sandbox.RlimitNumber("RLIMIT_" + strings.ToUpper(u.Name))
	var own unix.Rlimit
	if !ok || o.Mapping.Kind == idmap.Root || unix.Getrlimit(kind, &own) != nil || own.Max == unix.RLIM_INFINITY {
		return nil
	}
	if u.Hard == -1 || uint64(u.Hard) > own.Max {
		return fmt.Errorf("--ulimit %s: the caller's own hard limit is %d, and only root may go above it", u.Name, own.Max)
	}
	return nil
}
