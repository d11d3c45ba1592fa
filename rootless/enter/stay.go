package enter

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// Stay makes a command that the constructor left alone work in the namespaces of its caller, for mounts
// that are to stay there when it ends. It reports false where the caller has no right to mount: a user
// outside of `dhow unshare`. Like Adopt it must be called before everything else of this package.
func Stay() bool {
	if actedAlready() || os.Geteuid() != 0 || !mayMount() {
		return false
	}
	m := idmap.Mapping{CallerUID: uint32(os.Geteuid()), CallerGID: uint32(os.Getegid())}
	surrounding(&m)
	Adopt(m)
	return true
}

// mayMount reports CAP_SYS_ADMIN of the user namespace this process is in.
func mayMount() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&hdr, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
