package health

import (
	"reflect"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/storage/image"
)

// A container's life by a clock of its own: what each probe says at which second, and what follows.
func TestAdd(t *testing.T) {
	begun := time.Unix(1000, 0)
	check := Check{image.Healthcheck{Test: []string{"CMD", "true"}, Retries: 2, StartPeriod: 10 * time.Second, StartInterval: time.Second, Interval: 20 * time.Second}}
	s := State{Status: Starting}
	for _, step := range []struct {
		second, code int
		status       string
		streak       int
		wait         time.Duration
	}{
		{1, 1, Starting, 0, time.Second}, {2, 1, Starting, 0, time.Second}, {3, 0, Healthy, 0, 20 * time.Second},
		{4, 1, Healthy, 1, 20 * time.Second}, // it was healthy: the start is over
		{24, 0, Healthy, 0, 20 * time.Second}, {44, Failed, Healthy, 1, 20 * time.Second}, {64, 7, Unhealthy, 2, 20 * time.Second},
		{84, 1, Unhealthy, 3, 20 * time.Second}, {104, 0, Healthy, 0, 20 * time.Second},
	} {
		at := begun.Add(time.Duration(step.second) * time.Second)
		s = check.Add(s, Result{Start: at, End: at, ExitCode: step.code}, begun)
		if s.Status != step.status || s.FailingStreak != step.streak || check.Wait(s, at.Sub(begun)) != step.wait {
			t.Errorf("second %d: %s, streak %d, wait %v", step.second, s.Status, s.FailingStreak, check.Wait(s, at.Sub(begun)))
		}
	}
	if len(s.Log) != keptResults || s.Log[keptResults-1].Start != begun.Add(104*time.Second) {
		t.Errorf("kept %d results", len(s.Log))
	}
	// Without a success, and after the time of the start, failures count; three are the default.
	s, check = State{Status: Starting}, Check{image.Healthcheck{StartPeriod: time.Second}}
	for i, want := range []string{Starting, Starting, Starting, Unhealthy} {
		s = check.Add(s, Result{Start: begun.Add(time.Duration(i) * 700 * time.Millisecond), ExitCode: 1}, begun)
		if i > 0 && s.Status != want && i < 3 {
			t.Errorf("failure %d: %s", i, s.Status)
		}
	}
}

func TestMerge(t *testing.T) {
	img := &image.Healthcheck{Test: []string{"CMD", "x"}, Interval: time.Second, Retries: 5}
	if got := Merge(img, image.Healthcheck{Interval: 2 * time.Second}); got == nil || !reflect.DeepEqual(*got, image.Healthcheck{Test: img.Test, Interval: 2 * time.Second, Retries: 5}) {
		t.Errorf("%+v", got)
	}
	if Merge(nil, image.Healthcheck{Interval: time.Second}) != nil || Merge(nil, image.Healthcheck{}) != nil {
		t.Error("a check without a test")
	}
	if off := Merge(img, image.Healthcheck{Test: []string{"NONE"}}); On(off) {
		t.Error("NONE is a check")
	}
	for _, bad := range []image.Healthcheck{{Interval: time.Microsecond}, {Timeout: -1}, {Retries: -1}} {
		if Valid(bad) == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if got := (Check{image.Healthcheck{Test: []string{"CMD-SHELL", "a b"}}}).Args(nil); !reflect.DeepEqual(got, []string{"/bin/sh", "-c", "a b"}) {
		t.Errorf("%q", got)
	}
}

func TestReadWrite(t *testing.T) {
	dir := t.TempDir()
	if s, err := Read(dir); err != nil || s.Status != Starting {
		t.Errorf("%+v, %v", s, err)
	}
	want := State{Status: Healthy, Log: []Result{{Start: time.Unix(1, 0).UTC(), End: time.Unix(2, 0).UTC(), Output: "fine"}}}
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}
