package cache

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/build/plan"
)

var (
	below = &plan.Node{Name: "below"}
	other = &plan.Node{Name: "other"}
	third = &plan.Node{Name: "third"}
)

func copyNode() (*plan.Node, Inputs) {
	epoch := time.Unix(1, 0)
	chmod, _ := plan.ParseChmod("0644")
	op := &plan.CopyOp{From: plan.Origin{Kind: plan.FromContext, Context: "c"}, Dest: "/d", Chown: "1:2", Chmod: chmod,
		Exclude: []string{"*.md"}, Add: true, Epoch: &epoch,
		Items: []plan.CopyItem{{Pattern: "/a", Required: true, Unpack: true, Parents: "x"},
			{Inline: &plan.Inline{Name: "n", Data: "d"}},
			{URL: &plan.URL{Address: "http://x/f", Filename: "f", Checksum: digest.FromString("x"), Unpack: true}}}}
	return &plan.Node{Name: "copy", Op: op, Parent: below},
		Inputs{Parent: "key:p", Items: []string{"content:a", "", "sha256:u"}, Platform: plan.Platform{OS: "linux", Architecture: "amd64"}}
}

func runNode() (*plan.Node, Inputs) {
	op := &plan.RunOp{Args: []string{"sh", "-c", "x"}, Env: []string{"A=1"}, Proxy: []string{"http_proxy=p"}, Cwd: "/", User: "u",
		Network: "default", Hosts: []plan.Host{{Name: "h", IP: "1.2.3.4"}}, Hostname: "n", Script: &plan.Inline{Name: "s", Data: "d"},
		Shell: []string{"sh"}, Mounts: []plan.Mount{
			{Type: "bind", Target: "/t", From: plan.Origin{Kind: plan.FromNode, Node: other}, Source: "/s", ReadOnly: true},
			{Type: "bind", Target: "/u", From: plan.Origin{Kind: plan.FromContext}, Source: "/"},
			{Type: "secret", Target: "/run/s", ID: "i", Env: "E", Required: true, Mode: 0o400, UID: 1, GID: 2},
			{Type: "tmpfs", Target: "/m", Size: 5},
			{Type: "cache", Target: "/c", ID: "id", Sharing: "locked", Source: "/"},
			{Type: "bind", Target: "/v", From: plan.Origin{Kind: plan.FromNode, Node: third}, Source: "/"}}}
	return &plan.Node{Name: "run", Op: op, Parent: below, Inputs: []*plan.Node{other, third}},
		Inputs{Parent: "key:p", Inputs: []string{"key:o", "key:t"}, Mounts: []string{"", "content:m", "", "", "", ""}, Platform: plan.Platform{OS: "linux", Architecture: "amd64"}}
}

func mustKey(t *testing.T, n *plan.Node, in Inputs) string {
	t.Helper()
	k, _, err := Key(n, in)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// irrelevant are the fields that may change without the key changing: what does not reach the
// result, or must not be told by it.
var irrelevant = map[string]bool{
	"BaseOp.Ref": true, "BaseOp.Digest": true, "BaseOp.ID": true,
	"RunOp.Proxy[0]": true, "RunOp.Proxy": true, "RunOp.Shell": true, "RunOp.Shell[0]": true, "RunOp.Hosts[0].IP": true,
	"RunOp.Mounts[4].ID": true, "RunOp.Mounts[4].Sharing": true,
}

// TestEveryFieldCounts changes each field of each operation alone, by reflection, so that a field
// added later is tested too.
func TestEveryFieldCounts(t *testing.T) {
	nodes := map[string]func() (*plan.Node, Inputs){
		"CopyOp": copyNode, "RunOp": runNode,
		"WorkdirOp": func() (*plan.Node, Inputs) {
			epoch := time.Unix(1, 0)
			return &plan.Node{Op: &plan.WorkdirOp{Path: "/w", User: "u", Epoch: &epoch}, Parent: below}, Inputs{Parent: "key:p"}
		},
		"BaseOp": func() (*plan.Node, Inputs) {
			return &plan.Node{Op: &plan.BaseOp{Ref: "r", Digest: digest.FromString("d"), ID: "i", DiffIDs: []digest.Digest{digest.FromString("l")},
				Platform: plan.Platform{OS: "linux", Architecture: "amd64", Variant: "v1"}}}, Inputs{}
		},
	}
	for name, make := range nodes {
		n, in := make()
		before := mustKey(t, n, in)
		changed := 0
		mutate(reflect.ValueOf(n.Op).Elem(), name, func(path string, change func(), undo func()) {
			change()
			after, _, err := Key(n, in)
			undo()
			changed++
			if irrelevant[path] {
				if err != nil || after != before {
					t.Errorf("%s must not change the key (%v)", path, err)
				}
				return
			}
			if err == nil && after == before {
				t.Errorf("%s does not change the key", path)
			}
		})
		if after := mustKey(t, n, in); after != before {
			t.Errorf("%s: the key is not stable", name)
		}
		if changed == 0 {
			t.Errorf("%s: nothing was tried", name)
		}
	}
}

// mutate offers a change of every leaf below v.
func mutate(v reflect.Value, path string, try func(path string, change, undo func())) {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	undo := func() { v.Set(old) }
	set := func(to any) { try(path, func() { v.Set(reflect.ValueOf(to).Convert(v.Type())) }, undo) }
	switch x := v.Interface().(type) {
	case *plan.Node:
		if x == other {
			set(third)
		}
		return
	case *time.Time:
		later := x.Add(time.Second)
		set(&later)
		return
	}
	switch v.Kind() {
	case reflect.String:
		set(v.String() + "x")
	case reflect.Bool:
		set(!v.Bool())
	case reflect.Int, reflect.Int64:
		set(v.Int() + 1)
	case reflect.Uint32, reflect.Uint64:
		set(v.Uint() + 1)
	case reflect.Pointer:
		if !v.IsNil() {
			try(path, func() { v.SetZero() }, undo)
			copied := reflect.New(v.Type().Elem())
			copied.Elem().Set(v.Elem())
			v.Set(copied)
			mutate(v.Elem(), path, try)
			undo()
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				mutate(v.Field(i), path+"."+v.Type().Field(i).Name, try)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			mutate(v.Index(i), fmt.Sprintf("%s[%d]", path, i), try)
		}
		if v.Len() > 0 {
			try(path, func() { v.Set(v.Slice(0, v.Len()-1)) }, undo)
		}
	}
}

func TestInputsCount(t *testing.T) {
	n, in := runNode()
	before := mustKey(t, n, in)
	for name, change := range map[string]func(*Inputs){
		"parent":   func(i *Inputs) { i.Parent = "key:q" },
		"input":    func(i *Inputs) { i.Inputs = []string{"key:o", "key:z"} },
		"order":    func(i *Inputs) { i.Inputs = []string{"key:t", "key:o"} },
		"mount":    func(i *Inputs) { i.Mounts = []string{"", "content:n", "", "", "", ""} },
		"platform": func(i *Inputs) { i.Platform.Architecture = "arm64" },
	} {
		changed := in
		change(&changed)
		if mustKey(t, n, changed) == before {
			t.Errorf("%s does not change the key", name)
		}
	}
	// Names, places and times of the text are not the step.
	n.Name, n.ID, n.Stage, n.NoCache = "another", 7, "s", true
	if mustKey(t, n, in) != before {
		t.Error("the title of a step changes its key")
	}
}

func TestWhichInputIsWhichMounts(t *testing.T) {
	// Two steps whose mounts read the same two inputs differently: only the place tells.
	mount := func(n *plan.Node) plan.Mount {
		return plan.Mount{Type: "bind", Target: "/t", From: plan.Origin{Kind: plan.FromNode, Node: n}, Source: "/"}
	}
	a := &plan.Node{Op: &plan.RunOp{Mounts: []plan.Mount{mount(other), mount(other), mount(third)}}, Inputs: []*plan.Node{other, third}}
	b := &plan.Node{Op: &plan.RunOp{Mounts: []plan.Mount{mount(other), mount(third), mount(third)}}, Inputs: []*plan.Node{other, third}}
	in := Inputs{Inputs: []string{"key:o", "key:t"}}
	if mustKey(t, a, in) == mustKey(t, b, in) {
		t.Error("mounts of different stages have the same key")
	}
}

func TestLinkedCopyForgetsItsParent(t *testing.T) {
	n, in := copyNode()
	n.Op.(*plan.CopyOp).Link = true
	before := mustKey(t, n, in)
	in.Parent = "key:rebuilt"
	if mustKey(t, n, in) != before {
		t.Error("a linked copy depends on what is below it")
	}
}

func TestGapsAreErrors(t *testing.T) {
	for name, change := range map[string]func(*plan.Node, *Inputs){
		"parent":       func(n *plan.Node, i *Inputs) { i.Parent = "" },
		"input":        func(n *plan.Node, i *Inputs) { i.Inputs = i.Inputs[:1] },
		"empty input":  func(n *plan.Node, i *Inputs) { i.Inputs = []string{"key:o", ""} },
		"mount":        func(n *plan.Node, i *Inputs) { i.Mounts = nil },
		"foreign node": func(n *plan.Node, i *Inputs) { n.Op.(*plan.RunOp).Mounts[0].From.Node = below },
	} {
		n, in := runNode()
		change(n, &in)
		if k, _, err := Key(n, in); err == nil {
			t.Errorf("%s: a key %s in spite of the gap", name, k)
		}
	}
	n, in := copyNode()
	in.Items[2] = ""
	if _, _, err := Key(n, in); err == nil {
		t.Error("a URL without content has a key")
	}
}

func TestPartsTellTheDifference(t *testing.T) {
	n, in := runNode()
	_, before, _ := Key(n, in)
	n.Op.(*plan.RunOp).Env = []string{"A=2"}
	_, after, _ := Key(n, in)
	var differ []string
	for i := range before {
		if before[i] != after[i] {
			differ = append(differ, after[i].Name+"="+after[i].Value)
		}
	}
	if strings.Join(differ, " ") != "Env[0]=A=2" {
		t.Errorf("the parts differ in %q", differ)
	}
	for _, p := range before {
		if strings.Contains(p.Value, "http_proxy") {
			t.Errorf("a proxy is part of the key: %v", p)
		}
	}
}
