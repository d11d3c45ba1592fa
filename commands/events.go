package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/record"
)

var eventsVerb = verb{
	name: "events", also: []string{"system events"},
	short: "Show what happens to containers, images and volumes",
	usage: "[OPTIONS]",
	example: `dhow events --filter type=container --filter event=die
dhow events --since 10m --until 0s --format json`,
	detail: `Without --until it goes on until it is interrupted; without --since it begins now. Times are durations
before now (10m), dates (2026-01-02T15:04:05) or seconds since 1970.

Filters: container=NAME|ID, event=ACTION, image=NAME, label=KEY[=VALUE], type=container|image|volume|builder, volume=NAME,
and docker's daemon, network and scope.
Columns: .Type .Action .Actor.ID .Actor.Attributes .Scope .Time .TimeNano.

Commands write what they do into a file of this caller's store, the last few thousand events are kept. What
a killed command or monitor could not write is missing. Probes of health are told by their result alone, and
oom when the container's run has ended.`,
	flags: func() []cli.Flag {
		return []cli.Flag{
			list("filter", "f", "Show only events for which `key=value` holds"),
			text("format", "", "Print with a Go `template` or \"json\""),
			text("since", "", "`time` Show what happened since"),
			text("until", "", "`time` Show what happens until then, and end"),
		}
	},
	run: runEvents,
}

// eventDocument is an event as docker's clients know it.
type eventDocument struct {
	Status string `json:"status,omitempty"` // of containers, as old clients know it
	ID     string `json:"id,omitempty"`
	From   string `json:"from,omitempty"`
	Type   string
	Action string
	Actor  struct {
		ID         string
		Attributes map[string]string
	}
	Scope    string `json:"scope,omitempty"`
	Time     int64  `json:"time,omitempty"`
	TimeNano int64  `json:"timeNano,omitempty"`
}

func documentOf(e event.Event) eventDocument {
	d := eventDocument{Type: e.Type, Action: e.Action, Scope: "local", Time: e.Time().Unix(), TimeNano: e.TimeNano}
	if e.Type == event.ContainerType || e.Type == event.ImageType {
		d.Status, d.ID = e.Action, e.ID
	}
	if e.Type == event.ContainerType {
		d.From = e.Attributes["image"]
	}
	if d.Actor.ID, d.Actor.Attributes = e.ID, e.Attributes; d.Actor.Attributes == nil {
		d.Actor.Attributes = map[string]string{}
	}
	return d
}

func runEvents(c *call) error {
	var o event.ReadOptions
	var err error
	for flag, to := range map[string]*time.Time{"since": &o.Since, "until": &o.Until} {
		if text := c.text(flag); text != "" {
			if *to, err = since1970(text); err != nil {
				return explain.Usage(fmt.Errorf("invalid value for %q: %q is neither a duration (10m) nor a time (2006-01-02T15:04:05)", flag, text))
			}
		}
	}
	if o.Filter, err = event.ParseFilter(c.list("filter")); err != nil {
		return &explain.Error{Text: err.Error(), Status: 1}
	}
	var tmpl *template.Template
	if format := c.text("format"); format != "" {
		if format == "json" {
			format = "{{json .}}"
		}
		if tmpl, err = ui.Template(format); err != nil {
			return &explain.Error{Text: err.Error(), Status: 64}
		}
	}
	p, err := c.here()
	if err != nil {
		return err
	}
	terminal := c.terminal()
	ctx := c.cancellable()
	err = event.Journal{Dir: p.store}.Read(ctx, o, func(e event.Event) error {
		text, err := eventText(e, tmpl)
		if err != nil {
			return err
		}
		if terminal {
			text = ui.Escape(text)
		}
		_, err = io.WriteString(c.out, text+"\n")
		return err
	})
	if errors.Is(err, context.Canceled) && c.signalled() != 0 {
		return explain.Silent(128 + int(c.signalled()))
	}
	return err
}

// eventText is the line of one event: docker's, or a template's.
func eventText(e event.Event, tmpl *template.Template) (string, error) {
	if tmpl != nil {
		return ui.Execute(tmpl, documentOf(e))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s %s", e.Time().Local().Format(timestamp), e.Type, e.Action, e.ID)
	var attributes []string
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		attributes = append(attributes, name+"="+e.Attributes[name])
	}
	if len(attributes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(attributes, ", "))
	}
	return b.String(), nil
}

// tell notes what this command did to a container, for those who follow the events.
func (c *call) tell(f record.Found, action string, more ...string) {
	if p, err := c.here(); err == nil {
		run.Book(p.store).Tell(f.Container, action, more...)
	}
}

// tellOf notes what this command did to something that is no container.
func (c *call) tellOf(kind, action, id string, more ...string) {
	if p, err := c.here(); err == nil {
		event.Journal{Dir: p.store}.Add(event.New(kind, action, id, more...))
	}
}
