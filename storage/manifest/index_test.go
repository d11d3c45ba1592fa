package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var sum = "sha256:" + strings.Repeat("ab", 32)

func TestParse(t *testing.T) {
	entry := fmt.Sprintf(`{"mediaType":"m","digest":%q,"size":1}`, sum)
	for name, c := range map[string]struct {
		text         string
		index, image bool
	}{
		"an index":            {`{"manifests":[` + entry + `]}`, true, false},
		"an empty index":      {`{"manifests":[]}`, true, false},
		"an image":            {`{"config":` + entry + `,"layers":[` + entry + `]}`, false, true},
		"both (G4)":           {`{"config":` + entry + `,"layers":[],"manifests":[` + entry + `]}`, false, false},
		"a schema 1 index":    {`{"fsLayers":[],"manifests":[` + entry + `]}`, false, false},
		"neither":             {`{}`, false, false},
		"no JSON":             {`<html>`, false, false},
		"a path for a digest": {`{"manifests":[{"digest":"sha256:../../x","size":1}]}`, false, false},
		"another algorithm":   {`{"manifests":[{"digest":"sha512:` + strings.Repeat("ab", 64) + `","size":1}]}`, false, false},
		"no digest":           {`{"config":{"size":1}}`, false, false},
		"a negative size":     {strings.Replace(`{"manifests":[`+entry+`]}`, `:1}`, `:-1}`, 1), false, false},
		"too many entries":    {`{"manifests":[` + strings.Repeat(entry+",", maxEntries) + entry + `]}`, false, false},
		"too large":           {`{"manifests":[],"x":"` + strings.Repeat("x", maxBytes) + `"}`, false, false},
	} {
		_, err := ParseIndex([]byte(c.text))
		_, ierr := ParseBlobs([]byte(c.text))
		if (err == nil) != c.index || (ierr == nil) != c.image {
			t.Errorf("%s: as an index %v, as an image %v", name, err, ierr)
		}
	}
}

func TestImage(t *testing.T) {
	unknown := &v1.Platform{OS: "unknown", Architecture: "unknown"}
	for i, c := range []struct {
		d    v1.Descriptor
		want bool
	}{
		{v1.Descriptor{}, true},
		{v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}, true},
		{v1.Descriptor{Platform: unknown}, false},
		{v1.Descriptor{Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"}}, false},
		{v1.Descriptor{ArtifactType: "application/vnd.example"}, false},
	} {
		if got := Image(c.d); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// FuzzParse: no document is an index and an image, and an index read is written and read as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"` + sum + `","size":7,"platform":{"os":"linux","architecture":"arm","variant":"v7","os.features":["x"]},"annotations":{"a":"b"}}]}`))
	f.Add([]byte(`{"config":{"digest":"` + sum + `","size":7},"layers":[{"digest":"` + sum + `","size":0}]}`))
	f.Add([]byte(`{"manifests":[],"layers":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := ParseIndex(raw)
		_, ierr := ParseBlobs(raw)
		if err == nil && ierr == nil {
			t.Fatal("an index and an image")
		}
		if err != nil {
			return
		}
		again, err := Index(entries, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		second, err := ParseIndex(again)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		a, _ := json.Marshal(entries)
		b, _ := json.Marshal(second)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s\n%s", a, b)
		}
	})
}
