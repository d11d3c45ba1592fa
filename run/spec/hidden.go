package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Hidden gives the masked and the read-only paths of a container: docker's, with what --security-opt changes: mask=
// adds, unmask= takes away (also from the read-only ones), ALL and systempaths=unconfined take all,
// and --privileged hides nothing.
func Hidden(w Wishes) (masked, readOnly []string) {
	if !w.Privileged {
		masked, readOnly = MaskedPaths(), ReadonlyPaths()
	}
	shown := func(p string) bool {
		return slices.ContainsFunc(w.Unmask, func(u string) bool {
			if u == "ALL" {
				return true
			}
			ok, err := path.Match(u, p)
			return err == nil && ok
		})
	}
	masked = slices.DeleteFunc(masked, shown)
	readOnly = slices.DeleteFunc(readOnly, shown)
	return append(masked, w.Mask...), readOnly
}

// ParseMasks reads the value of mask= and unmask=: paths with colons between, for unmask also ALL and
// patterns.
func ParseMasks(value string, unmask bool) ([]string, error) {
	var out []string
	for p := range strings.SplitSeq(value, ":") {
		if unmask && p == "ALL" {
			out = append(out, p)
			continue
		}
		if !path.IsAbs(p) || path.Clean(p) == "/" || strings.IndexByte(p, 0) >= 0 {
			return nil, fmt.Errorf("%q is not an absolute path of a container", p)
		}
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("%q: %w", p, err)
		}
		out = append(out, path.Clean(p))
	}
	return out, nil
}

// ParseProcOptions reads the value of proc-opts=: "hidepid=2,subset=pid" (proc(5)).
func ParseProcOptions(value string) ([]string, error) {
	var out []string
	for o := range strings.SplitSeq(value, ",") {
		switch key, v, _ := strings.Cut(o, "="); {
		case key == "hidepid" && slices.Contains([]string{"0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable"}, v), o == "subset=pid":
			out = append(out, o)
		default:
			return nil, fmt.Errorf("%q is none of hidepid=0|1|2|4 and subset=pid", o)
		}
	}
	return out, nil
}
