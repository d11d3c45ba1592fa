package storage

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// What a killed pull pinned goes with the image that a later one makes of it, not a day afterwards; and
// nothing of the config that others may be waiting for stays.
func TestPinsOfKilledPulls(t *testing.T) {
	host := startRegistry(t)
	s := openStore(t)
	name := host + "/r/img:x"
	base := makeImage(t, s, "base", "etc/", "etc/a=a")
	addLayer(t, s, base, "img", func(m string) {
		if err := os.WriteFile(m+"/etc/b", []byte("b"), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := s.Push(ctx, "img", name, PushOptions{}); err != nil {
		t.Fatal(err)
	}
	fresh := openAt(t, t.TempDir())
	img, err := fresh.Pull(ctx, name, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	killed := fmt.Sprint(arrivalPin, time.Now().Add(-time.Minute).Unix())
	for _, l := range img.Layers {
		if err := fresh.Pin(l.ID, killed); err != nil {
			t.Fatal(err)
		}
	}
	if err := fresh.Pin(img.Layers[0].ID, "container:x"); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Pull(ctx, name, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if owners, err := fresh.PinOwners(""); err != nil || fmt.Sprint(owners) != "[container:x]" {
		t.Errorf("pinned by %v, %v", owners, err)
	}
	if left, err := fresh.partials(); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
