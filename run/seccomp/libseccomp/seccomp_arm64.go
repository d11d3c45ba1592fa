package seccomp

// sysSeccomp is the number of seccomp(2); package syscall is older than it.
const sysSeccomp = 277
