package volume

import (
	"reflect"
	"strings"
	"testing"
)

func opts(s string) map[string]string {
	m := map[string]string{}
	for f := range strings.SplitSeq(s, ";") {
		if k, v, _ := strings.Cut(f, "="); k != "" {
			m[k] = v
		}
	}
	return m
}

func TestBacking(t *testing.T) {
	for s, want := range map[string]Backing{
		"type=none;o=bind;device=/srv/x":     {Type: "bind", Device: "/srv/x"},
		"type=bind;o=rbind,ro;device=/a/../": {Type: "bind", Device: "/", Recursive: true, Options: []string{"ro"}},
		"type=tmpfs;device=tmpfs":            {Type: "tmpfs"},
		"type=tmpfs;device=x;o=size=1m,ro":   {Type: "tmpfs", Options: []string{"size=1m", "ro"}},
	} {
		if got, ok := (Volume{Options: opts(s)}).Backing(); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v, want %+v", s, got, ok, want)
		}
	}
	for s, want := range map[string]string{
		"o=bind":                             "missing required option",
		"type=none;o=bind":                   "missing required option: \"device\"",
		"type=none;o=bind;device=rel":        "absolute",
		"type=none;o=bind,lowerdir;device=/": "lowerdir",
		"type=nfs;device=:/x":                "nfs",
		"type=ext4;device=/dev/sda1":         "ext4",
		"type=none;device=/srv":              "none",
		"size=1g":                            "quota",
		"x=y":                                "invalid option",
	} {
		if err := checkOptions(opts(s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", s, err, want)
		}
	}
	if _, ok := (Volume{}).Backing(); ok {
		t.Error("a volume without options has something behind it")
	}
}
