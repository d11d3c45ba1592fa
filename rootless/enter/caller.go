package enter

import (
	"syscall"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// AsCaller gives the attributes of a child process that sees itself as the person outside: a user
// namespace below this one in which the caller's own ids are mapped back. Programs of the host that
// ask who they are – credential helpers, ssh, git – and their configuration by home directory then
// behave as without dhow. For plain root it gives nil.
//
// The child has no other ids: files of others show as nobody's, as they are to the caller.
func AsCaller(m idmap.Mapping) *syscall.SysProcAttr {
	if !m.Userns() || m.CallerUID == 0 {
		return nil
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: int(m.CallerUID), HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: int(m.CallerGID), HostID: 0, Size: 1}},
		Credential:  &syscall.Credential{Uid: m.CallerUID, Gid: m.CallerGID, NoSetGroups: true},
	}
}
