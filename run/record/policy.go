package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The names of restart policies.
const (
	RestartNo            = "no"
	RestartAlways        = "always"
	RestartOnFailure     = "on-failure"
	RestartUnlessStopped = "unless-stopped"
)

// Restart says when a container is started again after its end; the zero value is never.
type Restart struct {
	Name string `json:"name,omitempty"`
	// Retries bounds on-failure; 0 is without bound.
	Retries int `json:"retries,omitempty"`
}

// Never tells whether the policy starts nothing again.
func (r Restart) Never() bool { return r.Name == "" || r.Name == RestartNo }

// ParseRestart reads --restart in docker's words (docker/cli: opts/opts.go, moby:
// daemon/container.go).
func ParseRestart(text string) (Restart, error) {
	if text == "" {
		return Restart{}, nil
	}
	name, count, ok := strings.Cut(text, ":")
	if ok && name == "" {
		return Restart{}, errors.New("invalid restart policy format: no policy provided before colon")
	}
	r := Restart{Name: name}
	if count != "" {
		n, err := strconv.Atoi(count)
		if err != nil {
			return Restart{}, errors.New("invalid restart policy format: maximum retry count must be an integer")
		}
		r.Retries = n
	}
	switch name {
	case RestartNo, RestartAlways, RestartUnlessStopped:
		if r.Retries != 0 {
			return Restart{}, errors.New("invalid restart policy: maximum retry count can only be used with 'on-failure'")
		}
	case RestartOnFailure:
		if r.Retries < 0 {
			return Restart{}, errors.New("invalid restart policy: maximum retry count cannot be negative")
		}
	default:
		return Restart{}, fmt.Errorf("invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", name)
	}
	return r, nil
}

// Docker's times of waiting before a start (moby: restartmanager).
const (
	firstWait  = 100 * time.Millisecond
	longestOne = time.Minute
	// steady is how long a container must have run for the waits to begin anew.
	steady = 10 * time.Second
)

// Backoff decides after each end of a container's payload what comes next.
type Backoff struct {
	Policy Restart
	// Count is how often it was started again.
	Count int
	wait  time.Duration
}

// Next tells whether the container is to be started again, and after which time, when its payload ended
// with status after it ran for ran.
func (b *Backoff) Next(status int, ran time.Duration) (wait time.Duration, again bool) {
	switch b.Policy.Name {
	case RestartAlways, RestartUnlessStopped:
		again = true
	case RestartOnFailure:
		again = status != 0 && (b.Policy.Retries == 0 || b.Count < b.Policy.Retries)
	}
	if !again {
		return 0, false
	}
	if ran >= steady {
		b.wait = 0
	}
	if b.wait = min(2*b.wait, longestOne); b.wait == 0 {
		b.wait = firstWait
	}
	b.Count++
	return b.wait, true
}
