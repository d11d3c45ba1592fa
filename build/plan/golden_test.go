package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/tools/txtar"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
)

var update = flag.Bool("update", false, "write the golden part of testdata/*.txtar anew")

// TestGolden plans every case of testdata. A case is a txtar of Dockerfile, options (JSON of
// plan.Options, optional), ignore (optional), images (JSON: reference → config, optional; others
// are a plain image) and graph, the result as text.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := result(t, ar)
			for i := range ar.Files {
				if ar.Files[i].Name != "graph" {
					continue
				}
				if *update {
					ar.Files[i].Data = []byte(got)
					if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if want := string(ar.Files[i].Data); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
				}
				return
			}
			t.Fatal("the case has no graph")
		})
	}
}

func result(t *testing.T, ar *txtar.Archive) string {
	t.Helper()
	file := func(name string) []byte {
		for _, f := range ar.Files {
			if f.Name == name {
				return f.Data
			}
		}
		return nil
	}
	var opts plan.Options
	images := map[string]image.Config{}
	for name, to := range map[string]any{"options": &opts, "images": &images} {
		if data := file(name); data != nil {
			if err := json.Unmarshal(data, to); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if data := file("ignore"); data != nil {
		patterns, err := dockerfile.ReadIgnore(strings.NewReader(string(data)), "ignore")
		if err != nil {
			t.Fatal(err)
		}
		if opts.Ignore, err = dockerfile.NewMatcher(patterns); err != nil {
			t.Fatal(err)
		}
	}
	df, err := dockerfile.Parse(strings.NewReader(string(file("Dockerfile"))), "")
	var g *plan.Graph
	if err == nil {
		g, err = plan.Make(context.Background(), df, opts, resolver(images))
	}
	if err != nil {
		out := "error: " + err.Error() + "\n"
		var where *dockerfile.Error
		if errors.As(err, &where) {
			out += where.Excerpt()
		}
		return portable(out)
	}
	return portable(show(g))
}

func portable(s string) string {
	return strings.ReplaceAll(s, runtime.GOARCH, "HOSTARCH")
}

// resolver answers for every image but those whose name holds "missing".
func resolver(images map[string]image.Config) plan.Resolver {
	return func(ctx context.Context, ref string, p plan.Platform) (plan.Base, error) {
		if strings.Contains(ref, "missing") {
			return plan.Base{}, fmt.Errorf("%s: not found", ref)
		}
		c, ok := images[ref]
		if !ok {
			c = image.Config{Config: image.ContainerConfig{Env: []string{"PATH=/bin"}, Cmd: []string{"sh"}},
				RootFS:  image.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}},
				History: []image.History{{CreatedBy: "the base"}}}
		}
		if c.OS == "" {
			c.OS, c.Architecture = p.OS, p.Architecture
		}
		return plan.Base{Ref: ref, Digest: digest.FromString("manifest of " + ref), ID: "id of " + ref, Config: c}, nil
	}
}

// show prints a graph for people: only what is set, in the order of fields.
func show(g *plan.Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "%d %s\n", n.ID, n.Name)
		fmt.Fprintf(&b, "  stage %q lines %d-%d parent %s", n.Stage, n.Span.Start, n.Span.End, id(n.Parent))
		for _, in := range n.Inputs {
			fmt.Fprintf(&b, " input %s", id(in))
		}
		if n.NoCache {
			b.WriteString(" no cache")
		}
		fmt.Fprintf(&b, "\n  %T\n", n.Op)
		fields(&b, "    ", reflect.ValueOf(n.Op).Elem())
		if n.History.CreatedBy != "" {
			fmt.Fprintf(&b, "  history %q\n", n.History.CreatedBy)
		}
	}
	fmt.Fprintf(&b, "target %q final %s base %s", g.Target, id(g.Final), id(g.Base))
	for _, s := range g.Stages {
		fmt.Fprintf(&b, "; %s at %s", s.Name, id(s.Last))
	}
	b.WriteString("\n")
	for _, h := range g.Image.History {
		empty := ""
		if h.EmptyLayer {
			empty = " (empty)"
		}
		if h.Created != nil {
			empty += " at " + fmt.Sprint(h.Created.Unix())
		}
		fmt.Fprintf(&b, "history %q%s\n", h.CreatedBy, empty)
	}
	img := g.Image
	img.History = nil
	data, _ := json.MarshalIndent(img, "", "  ")
	fmt.Fprintf(&b, "image %s\n", data)
	for _, f := range g.Findings {
		fmt.Fprintf(&b, "finding %s\n", f)
	}
	return b.String()
}

func id(n *plan.Node) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(n.ID)
}

func fields(b *strings.Builder, indent string, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if !v.Type().Field(i).IsExported() || f.IsZero() {
			continue
		}
		switch x := f.Interface().(type) {
		case *plan.Node:
			fmt.Fprintf(b, "%s%s: %d\n", indent, name, x.ID)
			continue
		case fmt.Stringer:
			fmt.Fprintf(b, "%s%s: %s\n", indent, name, x)
			continue
		}
		for f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		switch {
		case f.Kind() == reflect.Struct:
			fmt.Fprintf(b, "%s%s:\n", indent, name)
			fields(b, indent+"  ", f)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			for j := range f.Len() {
				fmt.Fprintf(b, "%s%s %d:\n", indent, name, j)
				fields(b, indent+"  ", f.Index(j))
			}
		case f.Kind() == reflect.Slice || f.Kind() == reflect.String:
			fmt.Fprintf(b, "%s%s: %q\n", indent, name, f.Interface())
		default:
			fmt.Fprintf(b, "%s%s: %v\n", indent, name, f.Interface())
		}
	}
}
