package seccomp

import "fmt"

// ScmpAction is what the kernel does with a system call. The upper 16 bits hold the return code of
// [ActErrno] and [ActTrace].
type ScmpAction uint

// The actions; their numbers are libseccomp-golang's.
const (
	ActInvalid     ScmpAction      = iota // the zero value is no action
	ActKillThread                         // the calling thread dies with SIGSYS
	ActTrap                               // SIGSYS is sent
	ActNotify                             // a listener decides
	ActErrno                              // the call fails with the return code as errno
	ActTrace                              // a tracer is told
	ActAllow                              // the call is made
	ActLog                                // the call is made and logged
	ActKillProcess                        // all threads die with SIGSYS
	ActKill        = ActKillThread        // old name of ActKillThread
)

// The values of seccomp(2), SECCOMP_RET_*.
const (
	retKillProcess = 0x80000000
	retKillThread  = 0x00000000
	retTrap        = 0x00030000
	retErrno       = 0x00050000
	retNotify      = 0x7fc00000
	retTrace       = 0x7ff00000
	retLog         = 0x7ffc0000
	retAllow       = 0x7fff0000
)

// SetReturnCode gives a with another return code; actions without one are given back unchanged.
func (a ScmpAction) SetReturnCode(code int16) ScmpAction {
	switch kind := a & 0xffff; kind {
	case ActErrno, ActTrace:
		return kind | ScmpAction(uint16(code))<<16
	}
	return a
}

// GetReturnCode gives the return code of [ActErrno] and [ActTrace], else 0.
func (a ScmpAction) GetReturnCode() int16 { return int16(a >> 16) }

// kernel gives the value that a filter returns for a.
func (a ScmpAction) kernel() (uint32, error) {
	code := uint32(a>>16) & 0xffff
	switch a & 0xffff {
	case ActKillThread:
		return retKillThread, nil
	case ActKillProcess:
		return retKillProcess, nil
	case ActTrap:
		return retTrap, nil
	case ActErrno:
		return retErrno | code, nil
	case ActTrace:
		return retTrace | code, nil
	case ActNotify:
		return retNotify, nil
	case ActLog:
		return retLog, nil
	case ActAllow:
		return retAllow, nil
	}
	return 0, fmt.Errorf("unrecognized seccomp action %#x", uint(a))
}

// String names the action for messages.
func (a ScmpAction) String() string {
	switch a & 0xffff {
	case ActKillThread:
		return "Action: Kill thread"
	case ActKillProcess:
		return "Action: Kill process"
	case ActTrap:
		return "Action: Send SIGSYS"
	case ActErrno:
		return fmt.Sprintf("Action: Return error code %d", a>>16)
	case ActTrace:
		return fmt.Sprintf("Action: Notify tracing processes with code %d", a>>16)
	case ActNotify:
		return "Action: Notify userspace"
	case ActLog:
		return "Action: Log system call"
	case ActAllow:
		return "Action: Allow system call"
	}
	return fmt.Sprintf("Unrecognized Action %#x", uint(a))
}
