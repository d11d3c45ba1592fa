// Package health decides what the results of probes say of a container: starting, healthy or unhealthy,
// as docker does (moby: daemon/health.go). It runs nothing; run's monitor does, and keeps the state in
// the file health.json of the container's directory.
package health

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/journal"
)

// The states.
const (
	None      = "none" // of containers without a check
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// Docker's defaults and bounds.
const (
	defaultInterval      = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultRetries       = 3
	keptResults          = 5
	// MaxOutput is how much of a probe's output is kept, in bytes.
	MaxOutput = 4096
	// Failed is the exit code of a probe that could not be run or took too long.
	Failed = -1
)

// Result is what came of one probe, in docker's names.
type Result struct {
	Start    time.Time
	End      time.Time
	ExitCode int
	Output   string
}

// State is what is known of a container's health, in docker's names.
type State struct {
	Status        string
	FailingStreak int
	Log           []Result // the newest last
}

// Check is how a container is looked at; see image.Healthcheck for what zero means.
type Check struct{ image.Healthcheck }

// Merge gives the check of a container from the image's, which may be nil, and what was asked for; nil
// when there is none.
func Merge(img *image.Healthcheck, wish image.Healthcheck) *image.Healthcheck {
	h := wish
	if img != nil {
		if len(h.Test) == 0 {
			h.Test = img.Test
		}
		for _, f := range []struct{ to, from *time.Duration }{
			{&h.Interval, &img.Interval}, {&h.Timeout, &img.Timeout}, {&h.StartPeriod, &img.StartPeriod}, {&h.StartInterval, &img.StartInterval},
		} {
			if *f.to == 0 {
				*f.to = *f.from
			}
		}
		if h.Retries == 0 {
			h.Retries = img.Retries
		}
	}
	if len(h.Test) == 0 {
		return nil
	}
	return &h
}

// Valid refuses what docker does not take.
func Valid(h image.Healthcheck) error {
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"Interval", h.Interval}, {"Timeout", h.Timeout}, {"StartPeriod", h.StartPeriod}, {"StartInterval", h.StartInterval}} {
		if f.d != 0 && f.d < time.Millisecond {
			return fmt.Errorf("%s in Healthcheck cannot be less than 1ms", f.name)
		}
	}
	if h.Retries < 0 {
		return errors.New("Retries in Healthcheck cannot be negative")
	}
	return nil
}

// Column is what ps says of it behind how long the container is up; empty without a check.
func (s State) Column() string {
	switch s.Status {
	case "":
		return ""
	case Starting:
		return " (health: starting)"
	}
	return " (" + s.Status + ")"
}

// On tells whether a container with that check, or nil, is looked at.
func On(h *image.Healthcheck) bool {
	return h != nil && len(h.Test) > 1 && (h.Test[0] == "CMD" || h.Test[0] == "CMD-SHELL")
}

// Args is the command line of a probe in a container whose image has that shell; nil when there is
// nothing to be run.
func (c Check) Args(shell []string) []string {
	if !On(&c.Healthcheck) {
		return nil
	}
	switch c.Test[0] {
	case "CMD":
		return c.Test[1:]
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(append([]string(nil), shell...), c.Test[1:]...)
	}
	return nil
}

// Limit is how long a probe may take.
func (c Check) Limit() time.Duration { return orDefault(c.Timeout, defaultTimeout) }

// Wait is the time until the next probe, when the container has run for so long.
func (c Check) Wait(s State, running time.Duration) time.Duration {
	if s.Status == Starting && running < c.StartPeriod {
		return orDefault(c.StartInterval, defaultStartInterval)
	}
	return orDefault(c.Interval, defaultInterval)
}

// Add gives the state after one more probe of a container that was started at started.
func (c Check) Add(s State, r Result, started time.Time) State {
	s.Log = append(append([]Result(nil), s.Log[max(0, len(s.Log)+1-keptResults):]...), r)
	if r.ExitCode == 0 {
		s.FailingStreak, s.Status = 0, Healthy
		return s
	}
	if s.Status == Starting && r.Start.Sub(started) < c.StartPeriod {
		return s // it may still fail
	}
	retries := c.Retries
	if retries <= 0 {
		retries = defaultRetries
	}
	if s.FailingStreak++; s.FailingStreak >= retries {
		s.Status = Unhealthy
	}
	return s
}

func orDefault(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

const fileName, version = "health.json", 1

func record(dir string) journal.File[State] {
	return journal.File[State]{Path: filepath.Join(dir, fileName), Version: version, Lossy: true}
}

// Read gives the health of the container in dir; Starting when it was never looked at.
func Read(dir string) (State, error) {
	s, err := record(dir).Read()
	if s.Status == "" {
		s.Status = Starting
	}
	return s, err
}

// Write keeps it. The caller is the container's monitor.
func Write(dir string, s State) error {
	return record(dir).Put(s)
}
