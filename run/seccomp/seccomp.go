// Package seccomp says which system calls a container may make: Docker's default profile as a
// table of ours, profiles read from Docker-format files, and the merging of the calls that the
// ownership supervisor answers.
//
// It gives runtime-spec values and touches nothing (Merge asks the kernel which flags it knows). Turning them into a filter is the matter of
// libcontainer and the module in libseccomp/, which stands in for the C library.
package seccomp

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultProfile gives Docker's default profile for this machine's architecture and kernel, as it
// holds for a process with the capabilities caps ("CAP_SYS_ADMIN", …, the bounding set).
func DefaultProfile(caps []string) *specs.LinuxSeccomp {
	return DefaultProfileFor(ThisHost(), caps)
}
