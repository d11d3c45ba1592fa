package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var colourNames = []string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}

// override reads BUILDKIT_COLORS: "run=green:warning=yellow:error=red:cancel=255,165,0". What it
// does not understand stays as it was: a colour is not worth a failure.
func (c *colours) override(spec string) {
	for _, field := range strings.Split(spec, ":") {
		key, value, _ := strings.Cut(field, "=")
		sgr := sgrOf(strings.ToLower(value))
		if sgr == "" {
			continue
		}
		switch strings.ToLower(key) {
		case "run":
			c.run = sgr
		case "cancel":
			c.cancel = sgr
		case "error":
			c.fail = sgr
		case "warning":
			c.warn = sgr
		}
	}
}

func sgrOf(value string) string {
	if value == "default" {
		return "\x1b[39m"
	}
	name, light := strings.CutPrefix(value, "light-")
	if i := slices.Index(colourNames, name); i >= 0 {
		if light {
			return fmt.Sprintf("\x1b[%dm", 90+i)
		}
		return fmt.Sprintf("\x1b[%dm", 30+i)
	}
	rgb := strings.Split(value, ",")
	if len(rgb) != 3 {
		return ""
	}
	var v [3]uint64
	for i, s := range rgb {
		var err error
		if v[i], err = strconv.ParseUint(s, 10, 8); err != nil {
			return ""
		}
	}
	return fmt.Sprintf("\x1b[38;2;%d;%d;%dm", v[0], v[1], v[2])
}
