// Package source opens what a build reads: contexts, the Dockerfile and ignore files, and finds in
// them, or in any directory tree, the files a COPY means.
//
// Everything inside a tree is resolved through descriptors and never leaves it. Contents get a
// digest that is remembered by inode, so that an unchanged tree costs one look per file.
package source

import (
	"context"
	"io"
	"os"

	"github.com/dhow-containers/dhow/dockerfile"
)

// Options say where a build gets its input.
type Options struct {
	// Context is a directory, or "-" for Stdin: a tar (also gzip, bzip2, xz, zstd) or a Dockerfile.
	Context string
	// Dockerfile is -f: a path, "-" for Stdin, or "" for the context's Dockerfile (or
	// Containerfile).
	Dockerfile string
	Stdin      io.Reader
	// Named are the --build-context values by name: "dir" or "docker-image://ref".
	Named map[string]string
	// TempDir is where a tar context is unpacked; its contents are removed by Close.
	TempDir string
}

// Sources is the opened input of one build.
type Sources struct {
	Main       *Context
	Named      map[string]*Context // those that are directories
	Images     map[string]string   // those that are images: name → reference
	Dockerfile []byte
	// Name is what errors call the Dockerfile.
	Name     string
	Warnings []string
}

// Context is one directory tree that files are copied or mounted from. It is safe for concurrent
// use.
type Context struct {
	Name   string // "" is the main one
	Dir    string // where it lies
	Ignore *dockerfile.Matcher
	root   *os.File
}

// Root is the open directory, for Select and for bind mounts. It belongs to the Context.
func (c *Context) Root() *os.File { return c.root }

// Open opens context, Dockerfile and named contexts. The caller closes the Sources.
func Open(ctx context.Context, opts Options) (*Sources, error) { return nil, nil }

// Close removes what was unpacked and closes the contexts.
func (s *Sources) Close() error { return nil }

// Context gives the context of that name; "" is the main one. nil when there is none.
func (s *Sources) Context(name string) *Context {
	if name == "" {
		return s.Main
	}
	return s.Named[name]
}
