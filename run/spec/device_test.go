package spec

import (
	"path"
	"strings"
	"testing"
)

func TestParseDevice(t *testing.T) {
	for arg, want := range map[string]Device{
		"/dev/fuse":              {"/dev/fuse", "/dev/fuse"},
		"/dev/fuse:/dev/x":       {"/dev/fuse", "/dev/x"},
		"/dev/fuse:rwm":          {"/dev/fuse", "/dev/fuse"},
		"/dev/fuse:/dev/x:wr":    {"/dev/fuse", "/dev/x"},
		"/dev/../dev/fuse":       {"/dev/fuse", "/dev/fuse"},
		"/dev/by=name":           {"/dev/by=name", "/dev/by=name"},
		"/dev/snd:/dev/sound/":   {"/dev/snd", "/dev/sound"},
		"/dev/a:/dev/../dev/a/b": {"/dev/a", "/dev/a/b"},
	} {
		if got, err := ParseDevice(arg); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", arg, got, err, want)
		}
	}
	for arg, want := range map[string]string{
		"":                  "absolute",
		"fuse":              "absolute",
		"/dev/fuse:x":       "absolute",
		"/dev/fuse:rr":      "absolute",
		"/dev/a:/dev/b:q":   "bad mode",
		"/dev/a:/dev/b:":    "bad mode",
		"/dev/a:/b:rwm:x":   "invalid device",
		"/dev/a:r":          "device cgroup",
		"/dev/a:/dev/b:w":   "device cgroup",
		"/dev/a:/":          "destination",
		"/dev/a\x00":        "invalid device",
		"vendor.com/gpu=0":  "CDI",
		"nvidia.com/gpu=al": "CDI",
	} {
		if got, err := ParseDevice(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", arg, got, err, want)
		}
	}
}

func FuzzParseDevice(f *testing.F) {
	for _, s := range []string{"/dev/fuse", "/dev/a:/dev/b:rwm", "v.com/c=n", "::", "/a:rw"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		d, err := ParseDevice(arg)
		if err != nil {
			return
		}
		for _, p := range []string{d.Source, d.Target} {
			if !path.IsAbs(p) || path.Clean(p) != p || strings.IndexByte(p, 0) >= 0 {
				t.Errorf("%q gave %+v", arg, d)
			}
		}
		if again, err := ParseDevice(d.Source + ":" + d.Target + ":rwm"); err != nil && !strings.Contains(d.Source+d.Target, ":") || err == nil && again != d {
			t.Errorf("%q: %+v, spelled out %+v, %v", arg, d, again, err)
		}
	})
}

func TestHidden(t *testing.T) {
	masked, readOnly := Hidden(Wishes{Unmask: []string{"/proc/s*"}, Mask: []string{"/secret"}})
	text := strings.Join(masked, " ") + " | " + strings.Join(readOnly, " ")
	if strings.Contains(text, "/proc/sched_debug") || strings.Contains(text, "/proc/sys") || !strings.Contains(text, "/secret") || !strings.Contains(text, "/proc/kcore") {
		t.Error(text)
	}
	if masked, readOnly := Hidden(Wishes{Unmask: []string{"ALL"}}); len(masked)+len(readOnly) > 0 {
		t.Error(masked, readOnly)
	}
	if masked, readOnly := Hidden(Wishes{Privileged: true}); len(masked)+len(readOnly) > 0 {
		t.Error(masked, readOnly)
	}
}
