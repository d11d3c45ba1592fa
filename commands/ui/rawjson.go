package ui

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/storage/progress"
)

// rawJSON writes one object a line, in the shape of BuildKit's SolveStatus, so that readers of
// "buildx build --progress rawjson" understand it. Fields are added, never changed.
type rawJSON struct {
	mu    sync.Mutex
	enc   *json.Encoder
	trace *trace
}

type (
	jsonStatus struct {
		Vertexes []jsonVertex  `json:"vertexes,omitempty"`
		Statuses []jsonRow     `json:"statuses,omitempty"`
		Logs     []jsonLog     `json:"logs,omitempty"`
		Warnings []jsonWarning `json:"warnings,omitempty"`
	}
	jsonVertex struct {
		Digest    digest.Digest `json:"digest,omitempty"`
		Name      string        `json:"name,omitempty"`
		Started   *time.Time    `json:"started,omitempty"`
		Completed *time.Time    `json:"completed,omitempty"`
		Cached    bool          `json:"cached,omitempty"`
		Error     string        `json:"error,omitempty"`
	}
	jsonRow struct {
		ID        string        `json:"id"`
		Vertex    digest.Digest `json:"vertex,omitempty"`
		Name      string        `json:"name,omitempty"`
		Total     int64         `json:"total,omitempty"`
		Current   int64         `json:"current"`
		Timestamp time.Time     `json:"timestamp"`
		Started   *time.Time    `json:"started,omitempty"`
		Completed *time.Time    `json:"completed,omitempty"`
	}
	jsonLog struct {
		Vertex    digest.Digest `json:"vertex,omitempty"`
		Stream    int           `json:"stream,omitempty"`
		Data      []byte        `json:"data"`
		Timestamp time.Time     `json:"timestamp"`
	}
	jsonWarning struct {
		Vertex digest.Digest `json:"vertex,omitempty"`
		Level  int           `json:"level,omitempty"`
		Short  []byte        `json:"short,omitempty"`
	}
)

func newRawJSON(w io.Writer) *rawJSON { return &rawJSON{enc: json.NewEncoder(w), trace: newTrace()} }

func (j *rawJSON) event(e progress.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before := jsonVertex{}
	if s := j.trace.byID[e.ID]; s != nil {
		before = vertexOf(s)
	}
	c := j.trace.apply(e)
	if c.step == nil {
		if c.warn != "" {
			_ = j.enc.Encode(jsonStatus{Warnings: []jsonWarning{{Level: 1, Short: []byte(c.warn)}}})
		}
		return
	}
	var out jsonStatus
	id := digestOf(c.step.id)
	v := vertexOf(c.step)
	if v.Name != before.Name || (v.Started == nil) != (before.Started == nil) || (v.Completed == nil) != (before.Completed == nil) {
		out.Vertexes = []jsonVertex{v}
	}
	for _, r := range c.rows {
		out.Statuses = append(out.Statuses, jsonRow{ID: r.label(), Vertex: id, Name: r.action, Current: r.current, Total: r.total,
			Timestamp: e.Time, Started: timeOf(r.started), Completed: timeOf(r.ended)})
	}
	if len(e.Log) > 0 {
		out.Logs = []jsonLog{{Vertex: id, Stream: e.Stream, Data: e.Log, Timestamp: e.Time}}
	}
	if c.warn != "" {
		out.Warnings = []jsonWarning{{Vertex: id, Level: 1, Short: []byte(c.warn)}}
	}
	if out.Vertexes != nil || out.Statuses != nil || out.Logs != nil || out.Warnings != nil {
		_ = j.enc.Encode(out) // a reader that went away does not stop a build
	}
}

func (j *rawJSON) close(bool) {}

func vertexOf(s *step) jsonVertex {
	v := jsonVertex{Digest: digestOf(s.id), Name: s.name, Started: timeOf(s.started), Completed: timeOf(s.ended), Cached: s.state == progress.Cached}
	if s.err != nil {
		v.Error = s.err.Error()
	}
	return v
}

// digestOf gives the id when it is a digest, else the digest of it.
func digestOf(id string) digest.Digest {
	if d := digest.Digest(id); d.Validate() == nil {
		return d
	}
	return digest.FromString(id)
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
