package commands

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
)

// keepingFlags are those of run and create that say how the container's monitor looks after it.
func keepingFlags() []cli.Flag {
	return []cli.Flag{
		text("health-cmd", "", "`command` Look at the container's health with this, by the image's shell"),
		text("health-interval", "", "`duration` Time between two looks, 30s"),
		number("health-retries", "", 0, "`count` Failures in a row that make it unhealthy, 3"),
		text("health-start-interval", "", "`duration` Time between two looks while it starts, 5s"),
		text("health-start-period", "", "`duration` Time in which failures do not count, 0s"),
		text("health-timeout", "", "`duration` Time after which a look has failed, 30s"),
		yes("no-healthcheck", "", "Do without the image's HEALTHCHECK"),
		text("restart", "", "`policy` Start it again when it ends: no, on-failure[:max], always, unless-stopped"),
	}
}

// keeping reads keepingFlags.
func (c *call) keeping(o *run.Options) error {
	o.Restart = c.text("restart")
	h := &o.Health
	h.Off, h.Cmd, h.Retries = c.Bool("no-healthcheck"), c.text("health-cmd"), c.Int("health-retries")
	for flag, to := range map[string]*time.Duration{
		"health-interval": &h.Interval, "health-timeout": &h.Timeout,
		"health-start-period": &h.StartPeriod, "health-start-interval": &h.StartInterval,
	} {
		text := c.text(flag)
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return explain.Usage(fmt.Errorf("invalid argument %q for \"--%s\" flag: want a duration such as 30s or 1m30s", text, flag))
		}
		if *to = d; d < 0 {
			return explain.Usage(fmt.Errorf("--%s cannot be negative", flag))
		}
	}
	if h.Retries < 0 {
		return explain.Usage(fmt.Errorf("--health-retries cannot be negative"))
	}
	return nil
}
