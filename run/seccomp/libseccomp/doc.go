// Package seccomp stands in for github.com/seccomp/libseccomp-golang: the part of its interface
// that libcontainer uses, without the C library below it.
//
// dhow's go.mod replaces the original by this module. The reason is time and reach: libseccomp
// needs 13–20 ms to compile Docker's profile for the three x86 interfaces, at every start of a
// container; the compiler here needs well under one. It also knows the system calls and the filter
// flags of newer kernels than the libseccomp of the machine dhow was built on.
//
// A filter is compiled in three steps: the rules of each system call become a decision
// (compile.go), equal neighbours in the table of numbers are merged to spans, and the spans are
// found by binary search (bpf.go). The decisions are those of libseccomp 2.5; a test in the
// parent directory compares them. One thing is added on purpose: how [ActNotify] goes together with
// other rules of its system call, see [ScmpFilter.AddRuleConditional].
//
// Left out: reading notifications, transactions, the PFC text form, and loading. Big-endian
// machines are not supported.
package seccomp

//go:generate go run ./gen
