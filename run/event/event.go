// Package event keeps what happened to containers, images and volumes, in docker's words: a journal of
// lines of JSON in the store's directory (events/), which every command appends to and "events" reads
// and follows. There is no daemon to tell it; so what a killed command did not come to say is missing.
//
// An event never fails or holds up what it tells of: a journal that can not be written to is left alone.
// Nothing is flushed to disk.
package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"github.com/dhow-containers/dhow/run/record"
)

// The types.
const (
	ContainerType = "container"
	ImageType     = "image"
	VolumeType    = "volume"
	NetworkType   = "network"
	BuilderType   = "builder"
)

// Event is one thing that happened.
type Event struct {
	Type   string `json:"type"`
	Action string `json:"action"` // "start", "exec_create: ls -l", "health_status: healthy"
	// ID is the object's: a container's or image's id, a volume's name.
	ID string `json:"id"`
	// Attributes are what more is known: "name", "image", "exitCode", and the object's labels.
	Attributes map[string]string `json:"attributes,omitempty"`
	TimeNano   int64             `json:"time"` // since 1970; Add fills it in
}

// Container is what happened to a container; more are further attributes, name and value in turn.
func Container(c record.Container, action string, more ...string) Event {
	e := Event{Type: ContainerType, Action: action, ID: c.ID, Attributes: maps.Clone(c.Labels), TimeNano: time.Now().UnixNano()}
	return e.with(append([]string{"image", c.Image, "name", c.Name}, more...))
}

// New is what happened to anything; more are its attributes, name and value in turn.
func New(kind, action, id string, more ...string) Event {
	return Event{Type: kind, Action: action, ID: id, TimeNano: time.Now().UnixNano()}.with(more)
}

func (e Event) with(pairs []string) Event {
	if e.Attributes == nil {
		e.Attributes = map[string]string{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Attributes[pairs[i]] = pairs[i+1]
	}
	return e
}

// Died is the end of a container's payload that ran since started.
func Died(c record.Container, status int, started time.Time) Event {
	return Container(c, "die", "exitCode", strconv.Itoa(status), "execDuration", strconv.Itoa(int(time.Since(started).Seconds())))
}

// Time is when it happened.
func (e Event) Time() time.Time { return time.Unix(0, e.TimeNano) }

// longest bounds an event's line, in bytes; more than that are labels nobody reads here.
const longest = 64 << 10

// line is the event as the journal keeps it.
func (e Event) line() []byte {
	b, err := json.Marshal(e)
	if err == nil && len(b) > longest {
		short := e
		short.Attributes = nil
		for _, name := range []string{"name", "image", "exitCode"} {
			if v, ok := e.Attributes[name]; ok && len(v) < longest/8 {
				short = short.with([]string{name, v})
			}
		}
		if short.Action = e.Action[:min(len(e.Action), longest/8)]; len(e.ID) < longest/8 {
			b, err = json.Marshal(short)
		}
	}
	if err != nil || len(b) > longest {
		return nil
	}
	return append(b, '\n')
}

// parse reads a line of the journal. A line that a full disk cut short, or that is none of ours, is no
// event.
func parse(line []byte) (Event, bool) {
	var e Event
	line = bytes.TrimSpace(line)
	if len(line) == 0 || json.Unmarshal(line, &e) != nil || e.Type == "" || e.Action == "" || e.TimeNano <= 0 {
		return e, false
	}
	return e, true
}
