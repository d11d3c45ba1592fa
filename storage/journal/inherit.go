package journal

import "os"

// Inherit is the lock of a descriptor that this process got from the one that took it. The lock is
// shared between them and ends when both have let it go; the two must agree who it belongs to.
func Inherit(f *os.File) *Lock { return &Lock{file: f} }
