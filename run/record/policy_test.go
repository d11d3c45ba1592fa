package record

import (
	"testing"
	"time"
)

func TestParseRestart(t *testing.T) {
	for text, want := range map[string]Restart{
		"": {}, "no": {Name: "no"}, "always": {Name: "always"}, "unless-stopped": {Name: "unless-stopped"},
		"on-failure": {Name: "on-failure"}, "on-failure:3": {Name: "on-failure", Retries: 3}, "always:0": {Name: "always"},
	} {
		if got, err := ParseRestart(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{":3", "on-failure:x", "on-failure:-1", "always:3", "sometimes", "on-failure:1:2"} {
		if _, err := ParseRestart(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestBackoff(t *testing.T) {
	always := Backoff{Policy: Restart{Name: RestartAlways}}
	var total time.Duration
	for _, ms := range []int{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000} {
		wait, again := always.Next(0, time.Second)
		if want := time.Duration(ms) * time.Millisecond; !again || wait != want {
			t.Errorf("wait %v, want %v", wait, want)
		}
		total += wait
	}
	if always.Count != 12 {
		t.Errorf("counted %d", always.Count)
	}
	if wait, _ := always.Next(1, 10*time.Second); wait != 100*time.Millisecond {
		t.Errorf("after ten seconds of running: %v", wait)
	}
	failing := Backoff{Policy: Restart{Name: RestartOnFailure, Retries: 2}}
	if _, again := failing.Next(0, 0); again {
		t.Error("a success was started again")
	}
	for i, want := range []bool{true, true, false} {
		if _, again := failing.Next(1, 0); again != want {
			t.Errorf("failure %d: %v", i, again)
		}
	}
	for _, policy := range []Restart{{}, {Name: RestartNo}} {
		if _, again := (&Backoff{Policy: policy}).Next(1, 0); again {
			t.Errorf("%+v starts again", policy)
		}
	}
}
