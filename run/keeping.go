package run

import (
	"errors"
	"time"

	"github.com/dhow-containers/dhow/run/health"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/image"
)

// Health are the flags --health-* and --no-healthcheck. Zero stands for the image's, then docker's.
type Health struct {
	Off bool   // --no-healthcheck
	Cmd string // --health-cmd, for the image's shell

	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

// Outlives tells whether the container goes on when its first run has ended, so that a process of its own
// must look after it.
func (o Options) Outlives() bool {
	r, err := record.ParseRestart(o.Restart)
	return err == nil && !r.Never()
}

func (o Options) readRestart(w *wishes) (err error) {
	if w.restart, err = record.ParseRestart(o.Restart); err != nil {
		return err
	}
	if o.Remove && !w.restart.Never() {
		return errors.New("conflicting options: cannot specify both --restart and --rm")
	}
	return nil
}

func (o Options) readHealth(w *wishes) error {
	h := o.Health
	if h.Off {
		if h != (Health{Off: true}) {
			return errors.New("--no-healthcheck conflicts with --health-* options")
		}
		w.health = image.Healthcheck{Test: []string{"NONE"}}
		return nil
	}
	w.health = image.Healthcheck{
		Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
	if h.Cmd != "" {
		w.health.Test = []string{"CMD-SHELL", h.Cmd}
	}
	return health.Valid(w.health)
}
