package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/paths"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/storage"
)

// call is one command line being carried out. What it needs of the host is found when it is asked
// for: help opens no store.
type call struct {
	*cli.Context
	verb  *verb
	verbs []*verb
	root  string // --root
	out   *os.File
	err   *os.File

	ctx    context.Context
	sig    atomic.Int32
	notify chan os.Signal
	place  func() (place, error)
	opened *storage.Store
	// unwatch ends tellOfWaits.
	unwatch func()

	settings *dockerConfig // config
}

// place is where this caller's things are.
type place struct {
	mapping idmap.Mapping
	dirs    paths.Dirs
	store   string // paths.Store
}

// here finds the directories and makes the one of the store.
func (c *call) here() (place, error) {
	if c.place == nil {
		c.tellOfWaits()
		c.place = sync.OnceValues(func() (place, error) {
			if err := enter.Ensure(); err != nil {
				return place{}, err
			}
			p := place{mapping: enter.Current()}
			var err error
			if p.dirs, err = paths.Resolve(p.mapping, c.root); err != nil {
				return place{}, err
			}
			p.store, err = paths.Store(p.dirs, p.mapping)
			return p, err
		})
	}
	return c.place()
}

// kept reports whether there is a store: who only asks for names does not make it.
func (c *call) kept() bool {
	if enter.Ensure() != nil {
		return false
	}
	m := enter.Current()
	dirs, err := paths.Resolve(m, c.root)
	if err != nil {
		return false
	}
	_, err = os.Lstat(filepath.Join(dirs.Data, paths.StoreName(m)))
	return err == nil
}

// store opens the images of this caller; it is closed when the command ends.
func (c *call) store() (*storage.Store, error) {
	if c.opened != nil {
		return c.opened, nil
	}
	p, err := c.here()
	if err != nil {
		return nil, err
	}
	c.opened, err = storage.Open(storage.Options{Dir: p.store, Mapping: p.mapping, AsCaller: enter.AsCaller(p.mapping), Note: run.ImageNote(p.store)})
	return c.opened, err
}

// close lets the store go. What it could not tidy up goes at the next command.
func (c *call) close() {
	defer c.endWatch()
	if c.opened != nil {
		_ = c.opened.Close()
	}
}

// sameAct is how long after a signal another one is taken for the same act: timeout(1) signals the
// process and then its whole group, a terminal and a job runner may both pass on one Ctrl-C.
const sameAct = 500 * time.Millisecond

// cancellable gives a context that ends at the first SIGINT, SIGTERM or SIGHUP; the next one, unless
// it comes at once, has its ordinary effect and ends the process.
func (c *call) cancellable() context.Context {
	if c.ctx != nil {
		return c.ctx
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	ch := make(chan os.Signal, 1)
	c.notify = ch
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1)
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Notify(ch, signals...)
	go func() {
		s, ok := <-ch
		if !ok {
			return
		}
		c.sig.Store(int32(s.(syscall.Signal)))
		cancel()
		time.Sleep(sameAct)
		signal.Stop(ch)
	}()
	return ctx
}

// release gives signals back: what follows handles them itself.
func (c *call) release() {
	c.endWatch()
	if c.notify != nil {
		signal.Stop(c.notify)
		close(c.notify)
		c.notify, c.ctx = nil, nil
	}
}

// signalled gives the signal that cancelled the command, 0 for none.
func (c *call) signalled() syscall.Signal { return syscall.Signal(c.sig.Load()) }

// terminal reports whether the answer goes to a terminal.
func (c *call) terminal() bool { return ui.Terminal(c.out) }

// each calls do for every operand, prints what fails and goes on, as docker does with lists of
// names. The error is the last failure, already printed.
func (c *call) each(do func(name string) error) error {
	var failed error
	for _, name := range c.Args().Slice() {
		if c.ctx != nil && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		err := do(name)
		if err == nil {
			continue
		}
		if c.signalled() != 0 {
			return err
		}
		text, status := explain.Line(err)
		fmt.Fprintln(c.err, "dhow: "+text)
		failed = explain.Silent(status)
	}
	return failed
}

// warn prints one line of advice.
func (c *call) warn(text string) { fmt.Fprintln(c.err, "dhow: warning: "+ui.Escape(text)) }

// say prints one line about what takes long.
func (c *call) say(text string) { fmt.Fprintln(c.err, "dhow: "+ui.Escape(text)) }

// image finds an image by name; docker's words when there is none.
func (c *call) image(name string) (storage.Image, error) {
	s, err := c.store()
	if err != nil {
		return storage.Image{}, err
	}
	img, err := s.Lookup(name)
	return img, noImage(err, name)
}

// imageFor is image for the platform of a flag.
func (c *call) imageFor(name, platform string) (storage.Image, error) {
	s, err := c.store()
	if err != nil {
		return storage.Image{}, err
	}
	img, err := s.LookupFor(name, platform)
	return img, noImage(err, name)
}

// noImage says in docker's words that an image is missing.
func noImage(err error, name string) error {
	if storage.OtherPlatform(err) {
		return &explain.Error{Text: err.Error(), Status: 1}
	}
	if errors.Is(err, storage.ErrNotFound) {
		return &explain.Error{Text: "No such image: " + name, Status: 1}
	}
	return err
}
