package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/rootless/enter"
)

var unshareVerb = verb{
	name:    "unshare",
	short:   "Run a program of the host where dhow's commands run",
	usage:   "[PROGRAM [ARG...]]",
	example: `dhow unshare rm -rf ~/.local/share/dhow`,
	detail: "The program, by default the shell, is root of the user namespace: it owns the files of images and containers,\n" +
		"which the caller alone can not remove. Mounts it makes are its own.",
	max: -1, stop: true, names: aFile,
	run: runUnshare,
}

// runUnshare becomes the program: signals, terminal and exit status are its own.
func runUnshare(c *call) error {
	if err := enter.Ensure(); err != nil {
		return err
	}
	words := c.Args().Slice()
	if len(words) == 0 {
		words = []string{"/bin/sh"}
		if shell := os.Getenv("SHELL"); shell != "" {
			words[0] = shell
		}
	}
	path, err := exec.LookPath(words[0])
	if err == nil {
		err = syscall.Exec(path, words, os.Environ())
	}
	status := 126
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		status = 127
	}
	if inner := errors.Unwrap(err); inner != nil { // exec.Error names the program itself
		err = inner
	}
	return &explain.Error{Text: fmt.Sprintf("running %q: %v", words[0], err), Status: status}
}
