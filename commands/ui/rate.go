package ui

import (
	"time"

	units "github.com/docker/go-units"
)

// rate measures how fast bytes come, over the last seconds: a transfer that was taken up again begins
// with what had arrived before, which was not fast.
type rate struct {
	points []point // oldest first
}

type point struct {
	at    time.Time
	bytes int64
}

const (
	rateOver  = 5 * time.Second
	rateAfter = 500 * time.Millisecond // before that a number would say nothing
)

// add takes how far a transfer is.
func (r *rate) add(at time.Time, bytes int64) {
	if n := len(r.points); n > 0 && bytes < r.points[n-1].bytes {
		r.points = r.points[:0] // begun anew
	}
	r.points = append(r.points, point{at, bytes})
	for len(r.points) > 2 && at.Sub(r.points[1].at) >= rateOver {
		r.points = r.points[1:]
	}
}

// perSecond gives the bytes a second, 0 when that is not known.
func (r *rate) perSecond() float64 {
	if len(r.points) < 2 {
		return 0
	}
	first, last := r.points[0], r.points[len(r.points)-1]
	if d := last.at.Sub(first.at); d >= rateAfter {
		return float64(last.bytes-first.bytes) / d.Seconds()
	}
	return 0
}

// words gives speed and time left, "  3.1MB/s 12s"; "" when that is not known.
func (r *rate) words(current, total int64) string {
	speed := r.perSecond()
	if speed < 1 {
		return ""
	}
	text := "  " + units.HumanSizeWithPrecision(speed, 3) + "/s"
	if left := time.Duration(float64(total-current) / speed * float64(time.Second)); total > current && left < 100*time.Hour {
		text += " " + left.Round(time.Second).String()
	}
	return text
}
