package standby

import (
	"slices"
	"strings"
	"testing"
)

func TestWanted(t *testing.T) {
	for line, want := range map[string]bool{
		"dhow run -d web":                          true,
		"dhow container run --detach web":          true,
		"dhow run --name web -itd web sh":          true,
		"dhow run -it web":                         true,
		"dhow --root /d run --rm --tty web":        true,
		"dhow --root=/d run -dp 80:80 web":         true,
		"dhow run --detach=true web":               true,
		"dhow run --detach=false web":              false,
		"dhow run --rm web true":                   false,
		"dhow run -ed=t -v d:/t --dns 1.1.1.1 web": false,
		"dhow run - web":                           false,
		"dhow run web date -d":                     true, // started for nothing
		"dhow exec -d web true":                    false,
		"dhow --root run -d":                       false,
		"dhow":                                     false,
		"dhow run":                                 false,
		"dhow --root":                              false,
		"":                                         false,
	} {
		if got := wanted(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// A test's command line asks for nothing.
func TestTake(t *testing.T) {
	if m := Take(); m != nil {
		t.Errorf("got %+v", m)
	}
}

// A monitor's environment has what it needs and no secret.
func TestEnvironment(t *testing.T) {
	t.Setenv("TOKEN", "secret")
	t.Setenv("HOME", "/somewhere")
	t.Setenv("TZ", "Europe/Lisbon")
	got := Environment()
	for _, want := range []string{"GOMAXPROCS=1", "HOME=/somewhere", "TZ=Europe/Lisbon"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if slices.Contains(got, "TOKEN=secret") {
		t.Errorf("%q", got)
	}
}
