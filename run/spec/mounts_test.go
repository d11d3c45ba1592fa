package spec

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

func TestParseVolume(t *testing.T) {
	for arg, want := range map[string]Mount{
		"/data":            {Type: "volume", Target: "/data", Anonymous: true},
		"vol:/data":        {Type: "volume", Source: "vol", Target: "/data"},
		"vol:/data:ro":     {Type: "volume", Source: "vol", Target: "/data", ReadOnly: true, Mode: "ro"},
		"vol:/data:nocopy": {Type: "volume", Source: "vol", Target: "/data", NoCopy: true, Mode: "nocopy"},
		"/src:/data":       {Type: "bind", Source: "/src", Target: "/data", CreateSource: true},
		"/src/../x/:/data": {Type: "bind", Source: "/x", Target: "/data", CreateSource: true},
		"./rel:/data":      {Type: "bind", Source: "/here/rel", Target: "/data", CreateSource: true},
		".:/data":          {Type: "bind", Source: "/here", Target: "/data", CreateSource: true},
		"/s:/d:ro,z":       {Type: "bind", Source: "/s", Target: "/d", ReadOnly: true, CreateSource: true, Mode: "ro,z"},
		"/s:/d:rshared":    {Type: "bind", Source: "/s", Target: "/d", Options: []string{"rshared"}, CreateSource: true, Mode: "rshared"},
		"/s:/d:rw,cached":  {Type: "bind", Source: "/s", Target: "/d", CreateSource: true, Mode: "rw,cached"},
		"/s:/d:U,O":        {Type: "bind", Source: "/s", Target: "/d", Chown: true, Overlay: true, CreateSource: true, Mode: "U,O"},
	} {
		if got, err := ParseVolume(arg, "/here"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\ngot  %+v, %v\nwant %+v", arg, got, err, want)
		}
	}
	for _, arg := range []string{
		"", ":", "::", "/a:", ":/a", "/a:/b:", "/a:/b:ro:x", "/a:/b:zz", "/a:/b:ro,rw", "/a:/b:ro,ro", "/a:b", "vol:rw",
		"rel", "/:x", "/a:/", "/a:/.", "/a:/..", "/", "a b:/x", "../../x\x00:/y", "v:/x:rshared", "/a:/b:nocopy", "x:/y", "-v:/y",
	} {
		if got, err := ParseVolume(arg, "/here"); err == nil {
			t.Errorf("%q was taken for %+v", arg, got)
		}
	}
}

func TestParseMount(t *testing.T) {
	for arg, want := range map[string]Mount{
		"type=bind,src=/a,dst=/b":                             {Type: "bind", Source: "/a", Target: "/b"},
		"type=bind,source=a,target=/b,readonly":               {Type: "bind", Source: "/here/a", Target: "/b", ReadOnly: true},
		"TYPE=bind,src=/a,destination=/b,ro=false":            {Type: "bind", Source: "/a", Target: "/b"},
		"type=bind,src=/a,dst=/b,rw=0":                        {Type: "bind", Source: "/a", Target: "/b", ReadOnly: true},
		"type=bind,src=/a,dst=/b,bind-propagation=rslave":     {Type: "bind", Source: "/a", Target: "/b", Options: []string{"rslave"}},
		"type=bind,src=/a,dst=/b,bind-recursive=disabled":     {Type: "bind", Source: "/a", Target: "/b", NonRecursive: true},
		`type=bind,"src=/a,b",dst=/b`:                         {Type: "bind", Source: "/a,b", Target: "/b"},
		"src=vol,dst=/b,volume-nocopy":                        {Type: "volume", Source: "vol", Target: "/b", NoCopy: true},
		"dst=/b":                                              {Type: "volume", Target: "/b", Anonymous: true},
		"src=vol,dst=/b,volume-label=a=b":                     {Type: "volume", Source: "vol", Target: "/b", Labels: map[string]string{"a": "b"}},
		"type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1770":    {Type: "tmpfs", Target: "/t", Options: []string{"size=67108864", "mode=1770"}},
		"type=bind,src=/a,dst=/b,consistency=cached,ro":       {Type: "bind", Source: "/a", Target: "/b", ReadOnly: true},
		"type=bind,src=/a,dst=/b,bind-create-src=true":        {Type: "bind", Source: "/a", Target: "/b", CreateSource: true},
		"type=image,src=app,dst=/b,image-subpath=usr/lib":     {Type: "image", Source: "app", Target: "/b", ReadOnly: true, Subpath: "usr/lib"},
		"src=vol,dst=/b,volume-subpath=./a//b":                {Type: "volume", Source: "vol", Target: "/b", Subpath: "a/b"},
		"src=vol,dst=/b,volume-subpath=.":                     {Type: "volume", Source: "vol", Target: "/b"},
		"type=volume,volume-driver=local,src=vol,target=/b/c": {Type: "volume", Source: "vol", Target: "/b/c"},
	} {
		if got, err := ParseMount(arg, "/here"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\ngot  %+v, %v\nwant %+v", arg, got, err, want)
		}
	}
	for arg, want := range map[string]string{
		"type=bind,src=/a":                             "target is required",
		"type=bind,dst=/a":                             "source is required",
		"type=bind,src=/a,dst=/b,volume-nocopy":        "cannot mix",
		"type=tmpfs,src=/a,dst=/b":                     "source",
		"type=tmpfs,dst=/b,tmpfs-mode=9":               "tmpfs-mode",
		"type=image,src=x,dst=/b,rw":                   "read-only",
		"type=image,dst=/b":                            "source is required",
		"type=cluster,src=x,dst=/b":                    "not supported",
		"src=vol,dst=/b,volume-subpath=/x":             "relative",
		"src=vol,dst=/b,volume-subpath=a/../../x":      "subpath",
		"type=bind,src=/a,dst=/b,volume-subpath=x":     "cannot mix",
		"type=floppy,dst=/b":                           "unknown",
		"type=bind,src=/a,dst=/b,frob=1":               "unexpected key 'frob'",
		"type=bind,src=/a,dst=/b,frob":                 "must be a key=value pair",
		"type=bind,src=/a,dst=b":                       "must be absolute",
		"type=volume,src=../x,dst=/b":                  "invalid characters",
		"src=vol,dst=/b,volume-subpath=../x":           "subpath",
		"type=bind,src=/a,dst=/b,bind-propagation=odd": "invalid propagation",
		`"type=bind`:                                   "\"--mount\"",
	} {
		if got, err := ParseMount(arg, "/here"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v; want an error with %q", arg, got, err, want)
		}
	}
}

func TestTmpfsOptions(t *testing.T) {
	subids := idmap.Mapping{Kind: idmap.Subids, UIDs: []idmap.Range{{Length: 10}}, GIDs: []idmap.Range{{Length: 10}}}
	for arg, want := range map[string]string{
		"/t":                          "noexec,nosuid,nodev,rprivate",
		"/t:exec,size=64k":            "nosuid,nodev,exec,size=64k,rprivate",
		"/t:rw,noexec,nosuid,mode=70": "nodev,rw,noexec,nosuid,mode=70,rprivate",
		"/t:size=1k,size=2k":          "noexec,nosuid,nodev,size=2k,rprivate",
		"/t:uid=5":                    "noexec,nosuid,nodev,uid=5,rprivate",
	} {
		m, err := ParseTmpfs(arg)
		if err != nil {
			t.Errorf("%q: %v", arg, err)
			continue
		}
		if got, err := tmpfsOptions(m, subids); err != nil || strings.Join(got, ",") != want {
			t.Errorf("%q: got %q, %v; want %q", arg, strings.Join(got, ","), err, want)
		}
	}
	for _, arg := range []string{"/t:frob", "/t:uid=50", "/t:uid=x", "/t:lowerdir=/", "/t:bind", "/t:size=-1", "/t:size=x", "/t:mode=99", "/t:mode=17777", "/t:nr_inodes="} {
		if m, err := ParseTmpfs(arg); err == nil {
			if got, err := tmpfsOptions(m, subids); err == nil {
				t.Errorf("%q was taken for %q", arg, got)
			}
		}
	}
	m, _ := ParseTmpfs("/t:dev")
	if got, _ := tmpfsOptions(m, idmap.Mapping{Kind: idmap.Root}); !slices.Contains(got, "nodev") || slices.Contains(got, "dev") {
		t.Errorf("plain root's tmpfs lets devices be opened: %q", got)
	}
}

func find(list []specs.Mount, target string) (specs.Mount, int) {
	for i, m := range list {
		if m.Destination == target {
			return m, i
		}
	}
	return specs.Mount{}, -1
}

func TestMounts(t *testing.T) {
	h := Host{Mapping: idmap.Mapping{Kind: idmap.Single, GIDs: []idmap.Range{{Length: 1}}}, Files: map[string]string{"/etc/hosts": "/x/hosts"}}
	w := Wishes{Mounts: []Mount{
		{Type: "bind", Source: "/deep", Target: "/a/b/c"},
		{Type: "bind", Source: "/a", Target: "/a/", ReadOnly: true},
		{Type: "tmpfs", Target: "/dev/shm", Options: []string{"size=1m"}},
		{Type: "bind", Source: "/vol", Target: "/vol", Volume: "v"},
	}}
	var p Process
	got, err := mounts(w, h, &p)
	if err != nil {
		t.Fatal(err)
	}
	if pts, _ := find(got, "/dev/pts"); slices.Contains(pts.Options, "gid=5") {
		t.Error("devpts names a group that a single-id map has not")
	}
	_, a := find(got, "/a")
	_, deep := find(got, "/a/b/c")
	if a < 0 || deep < a {
		t.Errorf("/a at %d must come before /a/b/c at %d", a, deep)
	}
	shm := 0
	for _, m := range got {
		if m.Destination == "/dev/shm" {
			shm++
			if !slices.Contains(m.Options, "size=1m") {
				t.Errorf("the person's /dev/shm lost to the default: %q", m.Options)
			}
		}
	}
	if shm != 1 {
		t.Errorf("/dev/shm is mounted %d times", shm)
	}
	slices.Sort(p.Binds)
	if want := []string{"/a", "/a/b/c", "/etc/hosts"}; !slices.Equal(p.Binds, want) {
		t.Errorf("binds of host files: got %q, want %q", p.Binds, want)
	}
	if ro, _ := find(got, "/a"); !slices.Contains(ro.Options, "ro") || !slices.Contains(ro.Options, "rro") {
		t.Errorf("a read-only bind: %q", ro.Options)
	}
	w.Mounts = append(w.Mounts, Mount{Type: "tmpfs", Target: "/vol"})
	if _, err := mounts(w, h, &p); err == nil || !strings.Contains(err.Error(), "duplicate mount point") {
		t.Errorf("two mounts on one place: %v", err)
	}
}

// Plain root has no user namespace that keeps devices from being opened.
func TestRootMountsHaveNoDevices(t *testing.T) {
	h := Host{Mapping: idmap.Mapping{Kind: idmap.Root}}
	var p Process
	got, err := mounts(Wishes{Mounts: []Mount{{Type: "bind", Source: "/s", Target: "/d"}, {Type: "tmpfs", Target: "/t"}}}, h, &p)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		single := strings.HasPrefix(m.Destination, "/dev/") && m.Type == "bind"
		if m.Type == "devpts" || single {
			continue // nobody can make a node there
		}
		if !slices.Contains(m.Options, "nodev") {
			t.Errorf("%s (%s) lets devices be opened: %q", m.Destination, m.Type, m.Options)
		}
	}
}

func TestCheckVolumeTarget(t *testing.T) {
	for target, ok := range map[string]bool{
		"/data": true, "data": true, "/proc": false, "/proc/self": false, "/sys/fs": false, "/": false, "/../proc": false,
		"/procs": true, "/dev": false, "/var/../sys": false,
	} {
		if err := CheckVolumeTarget(target); (err == nil) != ok {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{"1024": 1024, "64m": 64 << 20, "1g": 1 << 30, "1.5k": 1536, "2GiB": 2 << 30, "10kb": 10240, "0": 0} {
		if got, err := ParseBytes(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "m", "-1", "1x", "nan", "inf", "1e30", "99999999999p"} {
		if got, err := ParseBytes(s); err == nil {
			t.Errorf("%q was taken for %d", s, got)
		}
	}
}

func TestParseUlimit(t *testing.T) {
	for s, want := range map[string]Ulimit{
		"nofile=1024":      {"nofile", 1024, 1024},
		"nofile=1024:4096": {"nofile", 1024, 4096},
		"memlock=-1":       {"memlock", -1, -1},
		"core=0:-1":        {"core", 0, -1},
	} {
		if got, err := ParseUlimit(s); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "nofile", "nofile=", "files=1", "nofile=2:1", "nofile=-2", "nofile=-1:5", "nofile=1:2:3"} {
		if got, err := ParseUlimit(s); err == nil {
			t.Errorf("%q was taken for %+v", s, got)
		}
	}
}

// Whatever is accepted mounts at an absolute place that is not the root, from a known kind of source.
func FuzzMountFlags(f *testing.F) {
	for _, s := range []string{"/a:/b:ro", "vol:/x", "type=bind,src=/a,dst=/b", "type=tmpfs,dst=/t,tmpfs-mode=1777", "/t:size=5,exec", "x,\"y", "/a:/b:O,U", "type=image,src=i,dst=/b,image-subpath=a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Mount, error){
			func(s string) (Mount, error) { return ParseVolume(s, "/here") },
			func(s string) (Mount, error) { return ParseMount(s, "/here") },
			ParseTmpfs,
		} {
			m, err := parse(s)
			if err != nil {
				if strings.Contains(err.Error(), "\n") && !strings.Contains(s, "\n") {
					t.Errorf("%q: an error of several lines: %v", s, err)
				}
				continue
			}
			if err := checkTarget(m.Target); err != nil {
				t.Errorf("%q: %v", s, err)
			}
			if m.Subpath == ".." || strings.HasPrefix(m.Subpath, "/") || strings.HasPrefix(m.Subpath, "../") {
				t.Errorf("%q leads to %q", s, m.Subpath)
			}
			switch m.Type {
			case "bind":
				if !strings.HasPrefix(m.Source, "/") {
					t.Errorf("%q binds %q", s, m.Source)
				}
			case "volume":
				if m.Source != "" && strings.ContainsAny(m.Source, "/\x00") || m.Source == "." || m.Source == ".." {
					t.Errorf("%q names volume %q", s, m.Source)
				}
			case "tmpfs":
			case "image":
				if m.Source == "" || !m.ReadOnly {
					t.Errorf("%q mounts image %q, read-only %t", s, m.Source, m.ReadOnly)
				}
			default:
				t.Errorf("%q has type %q", s, m.Type)
			}
		}
	})
}
