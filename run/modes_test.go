package run

import (
	"strings"
	"testing"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

func TestModes(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string // of the error; "" for none
	}{
		{Options{PID: "host", IPC: "host", UTS: "host", Userns: "host"}, ""},
		{Options{PID: "private", IPC: "shareable", UTS: "private"}, ""},
		{Options{IPC: "none"}, ""},
		{Options{PID: "container:"}, "a container's name is missing"},
		{Options{PID: "container:x"}, "No such container: x"},
		{Options{IPC: "container:x"}, "No such container: x"},
		{Options{PID: "shareable"}, "invalid PID mode"},
		{Options{IPC: "Host"}, "invalid IPC mode"},
		{Options{UTS: "container:x"}, "invalid UTS mode"},
		{Options{Userns: "nomap"}, "invalid USER mode"},
		{Options{Userns: "host:x"}, "invalid USER mode"},
		{Options{Userns: "keep-id"}, "for users"},
		{Options{UTS: "host", Hostname: "x"}, "conflicting"},
		{Options{IPC: "none", ShmSize: "1m"}, "conflicting"},
	} {
		c.o.Dir, c.o.Mapping.Kind = t.TempDir(), idmap.Root
		var w wishes
		err := c.o.readModes(&w)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	o := Options{Userns: "keep-id:gid=7", Mapping: idmap.Mapping{Kind: idmap.Single, CallerUID: 1001, CallerGID: 1002}}
	var w wishes
	if err := o.readModes(&w); err != nil || w.KeepID == nil || w.KeepID.UID != 1001 || w.KeepID.GID != 7 || w.User != "1001:7" {
		t.Errorf("keep-id: %+v %q %v", w.KeepID, w.User, err)
	}
	for _, bad := range []string{"keep-id:uid=-1", "keep-id:uid=4294967296", "keep-id:size=5", "keep-id:uid"} {
		o.Userns = bad
		if err := o.readModes(&w); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestVolumesFromFlag(t *testing.T) {
	for arg, ok := range map[string]bool{"a": true, "a:ro": true, "a:rw": true, "a:ro,z": true, "": false, ":ro": false, "a:": false, "a:nocopy": false, "a:ro:x": false} {
		if _, _, err := parseVolumesFrom(arg); (err == nil) != ok {
			t.Errorf("%q: %v", arg, err)
		}
	}
}
