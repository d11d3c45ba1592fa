package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// colours of the bars, by the first word of a series' name.
var colours = map[string]string{
	"dhow": "#0a7d5a", "podman": "#8a5cd0", "buildah": "#b08ad8", "buildkit": "#2b7bd0", "crun": "#8b8f96", "runc": "#aeb2b8",
}

const (
	barHeight, barGap, groupGap    = 13, 2, 14
	labelWidth, plotWidth, padding = 300, 380, 12
)

// charted are the lines of the chart: those in which dhow and another tool do the same.
var charted = map[string]bool{
	"run": true, "exec": true, "parallel": true, "rebuild": true, "steps": true, "files": true, "copy": true, "pull": true, "layers": true, "load": true,
}

// chart draws medians as bars, each line on a scale of its own that ends at its longest bar.
func (r *Report) chart() string {
	var body strings.Builder
	y := padding + 18
	for _, x := range r.Results {
		if !charted[x.Key] {
			continue
		}
		longest := 0.0
		for _, s := range x.Series {
			if s.Unit == "" {
				longest = math.Max(longest, s.Median())
			}
		}
		if longest == 0 {
			continue
		}
		fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\" class=\"t\">%s</text>\n", padding, y, html.EscapeString(x.Title))
		y += 7
		for _, s := range x.Series {
			if s.Unit != "" {
				continue
			}
			first, _, _ := strings.Cut(s.Name, " ")
			colour := colours[first]
			if colour == "" {
				colour = "#c9b458"
			}
			width := math.Max(1, s.Median()/longest*plotWidth)
			fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\" class=\"n\">%s</text>", labelWidth-8, y+barHeight-3, html.EscapeString(s.Name))
			fmt.Fprintf(&body, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"/>", labelWidth, y, width, barHeight, colour)
			fmt.Fprintf(&body, "<text x=\"%.1f\" y=\"%d\" class=\"v\">%s</text>\n", labelWidth+width+5, y+barHeight-3, span(s.Median()))
			y += barHeight + barGap
		}
		y += groupGap + 6
	}
	width, height := labelWidth+plotWidth+90, y
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif">
<style>.t{font-size:13px;font-weight:600;fill:#1f2328}.n{font-size:11px;fill:#57606a;text-anchor:end}.v{font-size:11px;fill:#57606a}
@media (prefers-color-scheme: dark){.t{fill:#e6edf3}.n,.v{fill:#9198a1}}</style>
<title>Medians; shorter is better. Each group has its own scale.</title>
%s</svg>
`, width, height, width, height, body.String())
}

// span prints milliseconds as people say them.
func span(ms float64) string {
	if ms >= 1000 {
		return figure(ms/1000, "s")
	}
	return figure(ms, "ms")
}
