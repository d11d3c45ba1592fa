package seccomp

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"
)

// Levels of seccomp_api_get(3). The library's own limits do not matter here, the kernel's do.
const (
	levelTsync     = 2 // Linux 3.17
	levelLog       = 3 // Linux 4.14
	levelSpecAllow = 4 // Linux 4.17
	levelNotify    = 5 // Linux 5.0
	levelBoth      = 6 // TSYNC together with NEW_LISTENER, Linux 5.7
	levelWaitKill  = 7 // Linux 5.19
)

// VersionError says that the kernel is too old for an operation.
type VersionError struct {
	operation  string
	have, want uint
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s needs a kernel of seccomp API level %d (this one has level %d)", e.operation, e.want, e.have)
}

// GetLibraryVersion gives the version of libseccomp that the interface here is modelled on.
func GetLibraryVersion() (major, minor, micro uint) { return 2, 6, 0 }

// GetAPI gives the level of seccomp_api_get(3) that the running kernel has, 1 to 7.
func GetAPI() (uint, error) { return probedLevel(), nil }

var probedLevel = sync.OnceValue(func() uint {
	// Flags of linux/seccomp.h. Each level has the ones before: the first that is missing ends it.
	const (
		tsync      = 1 << 0
		log        = 1 << 1
		specAllow  = 1 << 2
		listener   = 1 << 3
		tsyncESRCH = 1 << 4
		waitKill   = 1 << 5
	)
	level := uint(1)
	for _, step := range []struct {
		level uint
		flags uintptr
	}{
		{levelTsync, tsync}, {levelLog, log}, {levelSpecAllow, specAllow}, {levelNotify, listener},
		{levelBoth, tsync | listener | tsyncESRCH}, {levelWaitKill, listener | waitKill},
	} {
		if !hasFlags(step.flags) {
			break
		}
		level = step.level
	}
	return level
})

// hasFlags loads a filter that is not there: the kernel looks at the flags first (EINVAL) and then
// at the pointer (EFAULT), see seccomp(2).
func hasFlags(flags uintptr) bool {
	const setModeFilter = 1
	_, _, errno := syscall.RawSyscall(sysSeccomp, setModeFilter, flags, uintptr(unsafe.Pointer(nil)))
	return errno == syscall.EFAULT
}
