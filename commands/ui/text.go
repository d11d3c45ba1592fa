package ui

import (
	"fmt"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/mattn/go-runewidth"
)

// Since gives how long ago t was as docker's lists do: "3 minutes ago".
func Since(t time.Time) string { return units.HumanDuration(time.Since(t)) + " ago" }

// Total gives bytes as docker's sums do, with one digit more than a list's: "7.834MB".
func Total(bytes int64) string { return units.HumanSize(float64(bytes)) }

// Size gives bytes as docker's lists do: "7.8MB".
func Size(bytes int64) string { return units.HumanSizeWithPrecision(float64(bytes), 3) }

// ShortID gives the first 12 digits of an id, without its algorithm.
func ShortID(id string) string {
	if _, digits, ok := strings.Cut(id, ":"); ok {
		id = digits
	}
	return id[:min(12, len(id))]
}

// Ellipsis cuts s to width cells of the terminal, the last one a "…".
func Ellipsis(s string, width int) string {
	if runewidth.StringWidth(s) <= width {
		return s
	}
	return runewidth.Truncate(s, width, "…")
}

// bytesOf gives bytes with two digits behind the point as BuildKit's progress does: "3.42MB".
func bytesOf(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%dB", n)
	}
	v, i := float64(n)/1000, 0
	for v >= 1000 && i < 4 {
		v, i = v/1000, i+1
	}
	return fmt.Sprintf("%.2f%cB", v, "kMGTP"[i])
}
