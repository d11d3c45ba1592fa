package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/manifest"
)

// pushIndex puts an index of one image for each architecture into the registry, and gives its digest.
func pushIndex(t *testing.T, name string, archs ...string) digest.Digest {
	t.Helper()
	s := openStore(t)
	var entries []v1.Descriptor
	for _, arch := range archs {
		p := v1.Platform{OS: "linux", Architecture: arch}
		img, err := s.Import(ctx, bytes.NewReader(tarOf(t, "etc/", "etc/arch="+arch)), ImportOptions{
			Name: name + "-" + arch, Created: time.Unix(1e9, 0), Config: image.Config{OS: p.OS, Architecture: arch}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Push(ctx, img.ID, name+"-"+arch, PushOptions{})
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := s.RemoteManifest(ctx, name+"-"+arch, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d.Digest, Size: int64(len(raw)), Platform: &p})
	}
	raw, err := manifest.Index(entries, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	host, rest, _ := strings.Cut(name, "/")
	repo, tag, _ := strings.Cut(rest, ":")
	req, err := http.NewRequest(http.MethodPut, "http://"+host+"/v2/"+repo+"/manifests/"+tag, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", v1.MediaTypeImageIndex)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	return digest.FromBytes(raw)
}

func TestPullAll(t *testing.T) {
	name := startRegistry(t) + "/multi:1"
	index := pushIndex(t, name, "s390x", "riscv64", "amd64", "arm64")
	s := openStore(t)
	head, err := s.PullAll(ctx, name, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if best := slices.Contains([]string{"amd64", "arm64", "s390x", "riscv64"}, runtime.GOARCH); best && head.Config.Architecture != runtime.GOARCH {
		t.Errorf("unpacked %s", head.Platform())
	}
	other := "linux/s390x"
	img, err := s.LookupFor(name, other)
	if err != nil || !img.Packed || img.Platform() != other || img.Index != index {
		t.Fatalf("%+v %v", img, err)
	}
	if _, err := s.LookupFor(name, "linux/mips64le"); !OtherPlatform(err) || !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := s.ChainFor(name, other); !errors.Is(err, ErrPacked) {
		t.Errorf("got %v", err)
	}
	if got, err := s.Unpack(ctx, img); err != nil || got.ID != img.ID || got.Packed {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := s.Sweep(); err != nil || !s.wholeIndex(index) {
		t.Fatalf("swept an index in use: %v", err)
	}
	if now, err := s.Lookup(name); err != nil || now.ID != head.ID {
		t.Errorf("the name moved to %s: %v", now.Platform(), err)
	}
	if found, err := s.Check(ctx, CheckOptions{}); err != nil || len(found) > 0 {
		t.Errorf("%v %v", found, err)
	}
	if err := s.Close(); err != nil { // this process holds what it brought
		t.Fatal(err)
	}
	rep, err := s.Remove(name, RemoveOptions{})
	if err != nil || len(rep.Deleted) < 4 {
		t.Errorf("%v %v", rep, err)
	}
	if blobs, err := s.vaultBlobs(); err != nil || len(blobs) > 0 || layerCount(t, s) > 0 {
		t.Errorf("left behind: %v %v", blobs, err)
	}
}

// TestVaultDamage: a flipped bit and a lost blob are found and fetched again; what a killed pull left
// goes at the next removal.
func TestVaultDamage(t *testing.T) {
	name := startRegistry(t) + "/multi:1"
	index := pushIndex(t, name, "amd64", "s390x")
	s := openStore(t)
	if _, err := s.PullAll(ctx, name, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	list, err := s.packedIn(index)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for what, damage := range map[string]func(file string) error{
		"a flipped bit": func(file string) error {
			raw, err := os.ReadFile(file)
			if err == nil {
				raw[len(raw)/2] ^= 1
				err = os.WriteFile(file, raw, 0o600)
			}
			return err
		},
		"a missing blob": os.Remove,
	} {
		if err := damage(s.vaultFile(list[1].blobs[1].Digest)); err != nil {
			t.Fatal(err)
		}
		found, err := s.Check(ctx, CheckOptions{})
		if err != nil || len(found) != 1 || found[0].Blob == "" {
			t.Fatalf("%s: %v %v", what, found, err)
		}
		done, err := s.Repair(ctx, found, RepairOptions{})
		if err != nil || len(done) != 1 || done[0].Err != nil || !s.wholeIndex(index) {
			t.Errorf("%s: %v %v", what, done, err)
		}
		if found, err := s.Check(ctx, CheckOptions{}); err != nil || len(found) != 0 {
			t.Errorf("%s: %v %v", what, found, err)
		}
	}
	// Of a killed command: blobs nobody's record leads to.
	killed := openAt(t, s.Dir())
	if _, err := killed.putDocument(ctx, []byte("left")); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Check(ctx, CheckOptions{}); err != nil || len(found) != 0 {
		t.Errorf("what a living process holds is reported: %v %v", found, err)
	}
	if _, err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.holdVaultBlob(digest.FromString("left")); !ok {
		t.Error("swept what a living process holds")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Check(ctx, CheckOptions{}); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
	if _, err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.vaultFile(digest.FromString("left"))); !os.IsNotExist(err) || !s.wholeIndex(index) {
		t.Errorf("not swept, or too much: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), "tmp", "*", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOlderRecords: records without the fields for indexes are read as what they were.
func TestOlderRecords(t *testing.T) {
	s := openStore(t)
	img := makeImage(t, s, "old:1", "etc/", "etc/a=1")
	r, err := s.find("old:1")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.Metadata, "indexes") || strings.Contains(r.Metadata, "targets") {
		t.Errorf("an image without an index says %s", r.Metadata)
	}
	if got, err := s.LookupFor("old:1", img.Platform()); err != nil || got.ID != img.ID || got.Index != "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.LookupFor("old:1", "linux/s390x"); !OtherPlatform(err) {
		t.Errorf("got %v", err)
	}
}

func TestBehind(t *testing.T) {
	x, y := digest.FromString("x"), digest.FromString("y")
	im := func(id, arch string, name string, target digest.Digest, indexes ...digest.Digest) Image {
		img := Image{ID: id, Indexes: indexes, Config: image.Config{OS: "linux", Architecture: arch}}
		if name != "" {
			img.Names = []string{name}
			if target != "" {
				img.Targets = map[string]digest.Digest{name: target}
			}
		}
		return img
	}
	for name, c := range map[string]struct {
		images []Image
		want   map[string]string
	}{
		"no index":                      {[]Image{im("a", "amd64", "n", ""), im("b", "arm64", "", "")}, nil},
		"behind a name":                 {[]Image{im("a", "amd64", "n", x, x), im("b", "arm64", "", "", x)}, map[string]string{"b": "a"}},
		"a name for the image alone":    {[]Image{im("a", "amd64", "n", "", x), im("b", "mips", "", "", x), im("c", "mips", "", "", x)}, map[string]string{"c": "b"}},
		"an index without a name":       {[]Image{im("a", "mips", "", "", x), im("b", "s390x", "", "", x)}, map[string]string{"b": "a"}},
		"shared by a lost and a living": {[]Image{im("a", "amd64", "n", y, y), im("b", "s390x", "", "", x, y), im("c", "mips", "", "", x)}, map[string]string{"b": "a"}},
		"two lost ones in a ring":       {[]Image{im("a", "s390x", "", "", x, y), im("b", "s390x", "", "", y, x)}, nil},
	} {
		if got := Behind(c.images); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRunsAs(t *testing.T) {
	for _, c := range []struct {
		arch string
		list []string // best first
	}{
		{"amd64", []string{"linux/amd64", "linux/amd64/v3", "linux/386", "linux/arm64", "windows/amd64"}},
		{"arm64", []string{"linux/arm64/v8", "linux/arm/v7", "linux/amd64", "windows/arm64"}},
	} {
		last := -1
		for _, text := range c.list {
			parts := append(strings.Split(text, "/"), "")
			now := runsAs(v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}, c.arch)
			if now < last || now == last && parts[0] == "windows" {
				t.Errorf("%s: %s has rank %d after %d", c.arch, text, now, last)
			}
			last = now
		}
	}
}

// TestHostileIndexes: what a registry sends for an index is refused with one error.
func TestHostileIndexes(t *testing.T) {
	reg := startRegistry(t)
	for name, entries := range map[string][]v1.Descriptor{
		"no images": {}, "missing": {{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("nothing"), Size: 3, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
	} {
		raw, err := json.Marshal(v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: entries})
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.Replace(raw, []byte(`"schemaVersion":0`), []byte(`"schemaVersion":2`), 1)
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodPut, fmt.Sprintf("http://%s/v2/hostile/manifests/1", reg), bytes.NewReader(raw))
		req.Header.Set("Content-Type", v1.MediaTypeImageIndex)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			continue // the registry does not take it
		}
		s := openStore(t)
		if img, err := s.PullAll(ctx, reg+"/hostile:1", PullOptions{}); err == nil {
			t.Errorf("%s: pulled %s", name, img.ID)
		}
	}
}
